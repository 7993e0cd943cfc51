"""The levels of features that backbone, neck and head pass on: how many, and where their cells lie."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nets.common.structures import Level


def require_levels(channels: Sequence[int], number: int, neck: str) -> Sequence[int]:
    """`channels` itself; ValueError if the backbone does not give `number` levels."""
    if len(channels) != number:
        raise ValueError(
            f"--neck {neck} mixes {number} levels of features, and the backbone gives {len(channels)}: "
            "choose another neck or backbone"
        )
    return channels


def feature_levels(features: Sequence[Tensor], strides: Sequence[int]) -> tuple[Level, ...]:
    """The sizes of feature maps [B, C, H, W] of the given strides."""
    return tuple(
        Level(feature.shape[-2], feature.shape[-1], stride)
        for feature, stride in zip(features, strides, strict=True)
    )


def cell_grid(levels: Sequence[Level], device: torch.device) -> tuple[Tensor, Tensor]:
    """Column and row of every cell [A, 2] and its stride [A], level after level, row by row.

    Built at each call: it costs nothing, and a cache would break compile and export.
    """
    cells, strides = [], []
    for level in levels:
        rows, columns = (torch.arange(n, device=device) for n in (level.rows, level.columns))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        cells.append(torch.stack((x, y), dim=-1).reshape(-1, 2).float())
        strides.append(torch.full((level.rows * level.columns,), float(level.stride), device=device))
    return torch.cat(cells), torch.cat(strides)


def flatten_cells(x: Tensor) -> Tensor:
    """[B, C, H, W] -> [B, H * W, C], row by row; free where channels come last in memory."""
    return x.permute(0, 2, 3, 1).flatten(1, 2)
