"""The grid of cells over all feature levels."""

import torch

from nets.common.feature_levels import cell_grid
from nets.common.structures import Level


def test_cells_are_listed_level_after_level_row_by_row():
    cells, strides = cell_grid((Level(2, 3, 8), Level(1, 2, 16)), torch.device("cpu"))
    assert cells.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 0], [1, 0]]
    assert strides.tolist() == [8] * 6 + [16] * 2
