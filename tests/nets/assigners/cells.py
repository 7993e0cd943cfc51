"""Cells, boxes and objects on a small input, shared by the tests of label assignment."""

import numpy as np
import torch

from nets.common.structures import Level

LEVELS = (Level(8, 12, 8), Level(4, 6, 16), Level(2, 3, 32))  # an input of 64 x 96
CELLS = 8 * 12 + 4 * 6 + 2 * 3


def cell_centres():
    """(x, y, stride) of each cell in pixels."""
    return [
        ((column + 0.5) * stride, (row + 0.5) * stride, stride)
        for rows, columns, stride in LEVELS
        for row in range(rows)
        for column in range(columns)
    ]


def slow_iou(first, second):
    width = min(first[2], second[2]) - max(first[0], second[0])
    height = min(first[3], second[3]) - max(first[1], second[1])
    overlap = max(width, 0) * max(height, 0)
    areas = [(box[2] - box[0]) * (box[3] - box[1]) for box in (first, second)]
    return overlap / (sum(areas) - overlap + 1e-9)


def around_cells(rng, batch, spread):
    """Predicted boxes around the cells, float32 [B, A, 4]; the smaller the spread, the better they fit."""
    x, y, stride = np.array(cell_centres()).T
    centre = np.stack((x, y), axis=-1) + rng.normal(0, spread, (batch, CELLS, 2)) * stride[:, None]
    size = np.exp(rng.normal(0.5, spread, (batch, CELLS, 2))) * stride[:, None]
    return torch.tensor(np.concatenate((centre - size / 2, centre + size / 2), axis=-1)).float()


def random_object(rng):
    """A box anywhere on the input or over its border, of any size up to all of it."""
    centre = rng.uniform(-10, (106, 74))
    size = np.exp(rng.uniform(np.log(0.5), np.log(120), 2))
    return tuple(np.concatenate((centre - size / 2, centre + size / 2)).tolist())
