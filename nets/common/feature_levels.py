"""The feature levels of backbone, neck and head: a check of their number, and their grids of cells."""

from collections.abc import Sequence

import torch
from torch import Tensor

from nets.common.structures import Level


def require_levels(channels: Sequence[int], number: int, neck: str) -> Sequence[int]:
    """Return `channels`; raise ValueError if the backbone does not have `number` feature levels."""
    if len(channels) != number:
        raise ValueError(
            f"--neck {neck} takes {number} feature levels, and the backbone has {len(channels)}: "
            "choose another neck or backbone"
        )
    return channels


def feature_levels(features: Sequence[Tensor], strides: Sequence[int]) -> tuple[Level, ...]:
    """Return the levels of feature maps [B, C, H, W] with the given strides."""
    return tuple(
        Level(feature.shape[-2], feature.shape[-1], stride)
        for feature, stride in zip(features, strides, strict=True)
    )


def cell_grid(levels: Sequence[Level], device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the column and row [A, 2] and the stride [A] of every cell, level by level, row by row.

    Recomputed in each call, which costs nothing; a cache would break torch.compile and export.
    """
    cells, strides = [], []
    for level in levels:
        rows, columns = (torch.arange(n, device=device) for n in (level.rows, level.columns))
        y, x = torch.meshgrid(rows, columns, indexing="ij")
        cells.append(torch.stack((x, y), dim=-1).reshape(-1, 2).float())
        strides.append(torch.full((level.rows * level.columns,), float(level.stride), device=device))
    return torch.cat(cells), torch.cat(strides)


def flatten_cells(maps: Sequence[Tensor]) -> Tensor:
    """Flatten maps [B, C, H, W] of the levels to [B, A, C], in the order of `cell_grid`."""
    return torch.cat([x.permute(0, 2, 3, 1).flatten(1, 2) for x in maps], dim=1)
