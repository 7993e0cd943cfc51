"""A fraction of the images is the same every time, and part of every larger one."""

from itertools import pairwise

import numpy as np
import pytest

from utils.data.fraction import fraction_of
from utils.data.index import ImageRecord, build_index

INDEX = build_index(
    [
        ImageRecord(f"{number}.jpg", np.array([[0, 0, number, 9]], np.float32), np.array([0]))
        for number in range(1, 41)
    ],
    ["a"],
)


@pytest.mark.parametrize(("fraction", "number"), [(1.0, 40), (0.5, 20), (0.26, 10), (0.025, 1), (0.001, 1)])
def test_how_many(fraction, number):
    assert len(fraction_of(INDEX, fraction)) == number


def test_boxes_go_with_their_images():
    half = fraction_of(INDEX, 0.5)
    assert [f"{width:g}.jpg" for width in half.boxes[:, 2]] == list(half.paths())
    assert list(half.paths()) == sorted(half.paths(), key=lambda path: int(path.split(".")[0]))


def test_smaller_ones_are_parts_of_larger_ones():
    parts = [set(fraction_of(INDEX, fraction).paths()) for fraction in (0.1, 0.3, 0.7, 1.0)]
    assert all(small < large for small, large in pairwise(parts))
    assert parts[0] == set(fraction_of(INDEX, 0.1).paths())
    assert parts[0] != {
        f"{number}.jpg" for number in range(1, 5)
    }  # not the first ones, which are often alike


def test_all_images_are_the_data_set_itself():
    assert fraction_of(INDEX, 1.0) is INDEX
