"""Raw outputs of heads for an input of 64 x 64 pixels, made by hand."""

import torch

from nets.common.feature_levels import cell_grid
from nets.common.structures import Level
from nets.heads.anchor_head import AnchorRaw
from nets.heads.dfl_head import BINS, DFLRaw
from nets.heads.yolox_head import YOLOXRaw

LEVELS = (Level(8, 8, 8), Level(4, 4, 16), Level(2, 2, 32))
CELLS = 64 + 16 + 4
YOLOX_CELL = 64 + 2 * 4 + 2  # row 2, column 2 of stride 16: its corner is at (32, 32)
DFL_CELL = 64 + 2 * 4 + 1  # row 2, column 1 of stride 16: its centre is at (24, 40)
IMPOSSIBLE = -100.0  # the logit of a bin of probability 0

ANCHOR_LEVELS = LEVELS[1:]
SIZES = (((8.0, 8.0), (16.0, 24.0)), ((32.0, 32.0), (64.0, 48.0)))
ANCHORS = 2 * (16 + 4)


def yolox_raw(batch=1, classes=2):
    """All outputs zero: each cell's box is one stride wide around its corner, all probabilities are 1/2."""
    cells, strides = cell_grid(LEVELS, torch.device("cpu"))
    return YOLOXRaw(
        torch.zeros(batch, CELLS, 4),
        torch.zeros(batch, CELLS),
        torch.zeros(batch, CELLS, classes),
        cells,
        strides,
        LEVELS,
    )


def dfl_raw(batch=1, classes=2):
    """All scores are 1/2. Each cell's box is a point, but DFL_CELL's: 1 or 2 strides to each side."""
    cells, strides = cell_grid(LEVELS, torch.device("cpu"))
    distances = torch.full((batch, CELLS, 4, BINS), IMPOSSIBLE)
    distances[..., 0] = 0
    distances[:, DFL_CELL] = IMPOSSIBLE
    distances[:, DFL_CELL, :, 1:3] = 0
    return DFLRaw(distances, torch.zeros(batch, CELLS, classes), cells, strides, LEVELS)


def anchor_raw(batch=1, classes=2, scale=1.0):
    """All outputs zero: each anchor predicts its own size around the centre of its cell."""
    cells, strides = cell_grid(ANCHOR_LEVELS, torch.device("cpu"))
    anchors = [
        torch.tensor(sizes).repeat(level.rows * level.columns, 1)
        for sizes, level in zip(SIZES, ANCHOR_LEVELS, strict=True)
    ]
    return AnchorRaw(
        torch.zeros(batch, ANCHORS, 4),
        torch.zeros(batch, ANCHORS),
        torch.zeros(batch, ANCHORS, classes),
        cells.repeat_interleave(2, dim=0),
        strides.repeat_interleave(2),
        torch.cat(anchors),
        torch.full((ANCHORS,), scale),
        ANCHOR_LEVELS,
        2,
    )


def anchor_index(level, row, column, anchor):
    """Return the index of an anchor in `anchor_raw`."""
    first = (0, 32)[level]
    return first + 2 * (row * ANCHOR_LEVELS[level].columns + column) + anchor


def randomised(raw, fields, seed=0):
    """Replace the first `fields` outputs by normally distributed ones that take gradients."""
    generator = torch.Generator().manual_seed(seed)
    noise = (torch.randn(value.shape, generator=generator) for value in raw[:fields])
    return type(raw)(*(value.requires_grad_() for value in noise), *raw[fields:])
