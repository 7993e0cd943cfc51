"""Grids of anchors over the network input.

Anchors of Faster R-CNN: https://arxiv.org/abs/1506.01497; default boxes of SSD: https://arxiv.org/abs/1512.02325
"""

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from nets.common.boxes import centre_to_corners
from nets.common.structures import InputSize

BoxSizes = Sequence[Sequence[float]]  # pairs of width and height


def anchor_grid(features: Sequence[Tensor], size: InputSize, halves: Sequence[BoxSizes]) -> Tensor:
    """Return anchors xyxy [A, 4] in input pixels, centred on the top left corner of every cell.

    Sorted by level, then row by row, with all anchors of a cell together.

    features  feature maps [B, C, rows, columns], finest first
    size      input size
    halves    half the widths and heights in pixels of a cell's anchors, per level
    """
    levels = []
    for feature, level_halves in zip(features, halves, strict=True):
        rows, columns = feature.shape[-2:]
        # The step is rounded down, as in torchvision: 59 for 7 cells over 416 pixels, not the stride of 64.
        corner = _grid(rows, columns, feature.device) * _pair((size[1] // columns, size[0] // rows), feature)
        half = torch.tensor(level_halves, device=feature.device)
        levels.append(torch.cat((corner[:, None] - half, corner[:, None] + half), dim=-1).flatten(0, 1))
    return torch.cat(levels)


def default_boxes(
    features: Sequence[Tensor], size: InputSize, shares: Sequence[BoxSizes], steps: Sequence[int | None]
) -> Tensor:
    """Return SSD's default boxes xyxy [A, 4] in input pixels, centred on every cell.

    Sorted as in `anchor_grid`.

    shares  box widths and heights per cell as fractions of the input size, per level; clamped to 1
    steps   distance between neighbouring cells in pixels, per level; None spreads them evenly over the input
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
    """Return the `shares` of `default_boxes`: two squares, then each aspect ratio and its inverse, per level.

    The second square is the geometric mean of this level's scale and the next level's, so `scales` has one
    more entry than there are levels.
    """
    levels = []
    for scale, larger, level_ratios in zip(scales[:-1], scales[1:], ratios, strict=True):
        squares = [(scale, scale), (math.sqrt(scale * larger),) * 2]
        wide = [(scale * math.sqrt(ratio), scale / math.sqrt(ratio)) for ratio in level_ratios]
        levels.append((*squares, *(pair for w, h in wide for pair in ((w, h), (h, w)))))
    return tuple(levels)


def _grid(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return the column and row of every cell, [rows * columns, 2]."""
    y, x = torch.meshgrid(
        torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij"
    )
    return torch.stack((x, y), dim=-1).flatten(0, 1).float()


def _pair(x_and_y: Sequence[float], like: Tensor) -> Tensor:
    return torch.tensor([float(value) for value in x_and_y], device=like.device)
