"""Random shapes of each class."""

import numpy as np
import pytest

from tests.utils.sample.test_sprite import PALETTE
from utils.sample.shapes import SHAPE_FUNCTIONS, distractor


@pytest.mark.parametrize("shape", [*SHAPE_FUNCTIONS.values(), distractor])
def test_shapes_stay_near_the_unit_square_and_vary(shape):
    seen = set()
    for seed in range(30):
        parts = shape(np.random.default_rng(seed))
        points = np.concatenate([part.outline for part in parts])
        assert np.abs(points).max() <= 1.4
        assert {part.paint for part in parts} <= {*PALETTE, "hole"}
        seen.add(points.tobytes())
    assert len(seen) > 5
