"""Boxes laid over an image; a network says how the objects differ from them.

Anchors of Faster R-CNN: https://arxiv.org/abs/1506.01497; default boxes of SSD: https://arxiv.org/abs/1512.02325
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nets.common.boxes import centre_to_corners

InputSize = tuple[int, int]  # height and width of the network input in pixels
BoxSizes = Sequence[Sequence[float]]  # width and height, several of them


def anchor_grid(features: Sequence[Tensor], size: InputSize, halves: Sequence[BoxSizes]) -> Tensor:
    """Anchors xyxy [A, 4] in pixels around the corner of every cell: level after level, row by row.

    features  maps [B, C, rows, columns], finest first
    halves    for each level, half the widths and heights of a cell's anchors in pixels
    """
    levels = []
    for feature, level_halves in zip(features, halves, strict=True):
        rows, columns = feature.shape[-2:]
        # Whole pixels apart, as in torchvision: of 7 cells for 416 pixels 59, not their stride of 64.
        corner = _grid(rows, columns, feature.device) * _pair((size[1] // columns, size[0] // rows), feature)
        half = torch.tensor(level_halves, device=feature.device)
        levels.append(torch.cat((corner[:, None] - half, corner[:, None] + half), dim=-1).flatten(0, 1))
    return torch.cat(levels)


def default_boxes(
    features: Sequence[Tensor], size: InputSize, shares: Sequence[BoxSizes], steps: Sequence[int | None]
) -> Tensor:
    """Default boxes xyxy [A, 4] in pixels around the centre of every cell, in the order of `anchor_grid`.

    shares  for each level, widths and heights of a cell's boxes as shares of the image's, at most 1
    steps   for each level, pixels from cell to cell; None spreads the cells evenly over the image
    """
    levels = []
    for feature, level_shares, step in zip(features, shares, steps, strict=True):
        rows, columns = feature.shape[-2:]
        apart = (step, step) if step else (size[1] / columns, size[0] / rows)
        centre = (_grid(rows, columns, feature.device) + 0.5) * _pair(apart, feature)
        sides = torch.tensor(level_shares, device=feature.device).clamp(max=1) * _pair(size[::-1], feature)
        levels.append(centre_to_corners(centre[:, None], sides).flatten(0, 1))
    return torch.cat(levels)


def box_shares(scales: Sequence[float], ratios: Sequence[Sequence[float]]) -> tuple[BoxSizes, ...]:
    """Widths and heights for `default_boxes`: on each level two squares, then each ratio both ways.

    The second square lies between the level's scale and the next one's: there is one scale more than levels.
    """
    levels = []
    for scale, larger, level_ratios in zip(scales[:-1], scales[1:], ratios, strict=True):
        squares = [(scale, scale), (math.sqrt(scale * larger),) * 2]
        wide = [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for ratio in level_ratios]
        levels.append((*squares, *(pair for w, h in wide for pair in ((w, h), (h, w)))))
    return tuple(levels)


def _grid(rows: int, columns: int, device: torch.device) -> Tensor:
    """Column and row of every cell [rows * columns, 2]."""
    y, x = torch.meshgrid(
        torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
    )
    return torch.stack((x, y), dim=-1).flatten(0, 1).float()


def _pair(x_and_y: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor([float(value) for value in x_and_y], device=like.device)
