"""Colours and mirroring: by hand, and the same from the loader as on the device."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from utils.augment.color_and_flip import (
    IDENTITY,
    ColorFlip,
    colour_matrix,
    random_colour,
    recolor_and_flip,
    recolor_and_flip_,
)
from utils.augment.settings import NO_AUGMENTATION, Augmentation


def test_colour_matrix_by_hand():
    np.testing.assert_allclose(colour_matrix(0, 1, 1), np.eye(3), atol=1e-6)
    # A third of the circle turns red into green, green into blue, blue into red.
    np.testing.assert_allclose(colour_matrix(1 / 3, 1, 1), [[0, 0, 1], [1, 0, 0], [0, 1, 0]], atol=1e-6)
    # Without saturation every channel is the mean of the three.
    np.testing.assert_allclose(colour_matrix(0.2, 0, 1), np.full((3, 3), 1 / 3), atol=1e-6)
    # Pure red, half saturated: mean 1/3, so 1/3 + (1 - 1/3) / 2 = 2/3 and 1/3 - 1/6 = 1/6.
    np.testing.assert_allclose(colour_matrix(0, 0.5, 1) @ [1, 0, 0], [2 / 3, 1 / 6, 1 / 6], atol=1e-6)


@given(st.floats(-0.5, 0.5), st.floats(0, 2), st.floats(0, 2))
def test_grey_stays_grey(hue, saturation, value):
    np.testing.assert_allclose(colour_matrix(hue, saturation, value) @ [1, 1, 1], [value] * 3, atol=1e-5)


def test_switches():
    rng = np.random.default_rng(0)
    assert random_colour(NO_AUGMENTATION, rng) is IDENTITY
    only_value = random_colour(Augmentation(hue=0, saturation=0, brightness=0.5), rng)
    assert only_value[0, 0] != 1
    np.testing.assert_allclose(only_value, np.eye(3) * only_value[0, 0], atol=1e-6)


def test_in_place_by_hand():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    before = image.copy()
    recolor_and_flip_(image[None], [False], [IDENTITY])
    assert (image == before).all()
    recolor_and_flip_(image[None], [True], [IDENTITY])
    assert (image == before[:, ::-1]).all()
    recolor_and_flip_(image[None], [True], [colour_matrix(0, 1, 2)])
    assert (image == np.minimum(2 * before.astype(int), 255)).all()


@pytest.mark.parametrize("side", [1, 31, 64])
def test_here_and_there_are_the_same(side):
    """To one of 256 steps where a value lies between two: OpenCV counts in whole numbers of 1/1024."""
    rng = np.random.default_rng(0)
    images = rng.integers(0, 256, (6, side, side + 3, 3), dtype=np.uint8)
    colours = np.stack([random_colour(Augmentation(hue=0.2), rng) for _ in images])
    flips = np.array([True, False, True, False, True, True])
    tensor = torch.from_numpy(images.copy()).permute(0, 3, 1, 2)
    there = recolor_and_flip(tensor, ColorFlip(torch.from_numpy(flips), torch.from_numpy(colours)))
    assert there.dtype == torch.uint8 and there.shape == tensor.shape
    assert there.is_contiguous(memory_format=torch.channels_last)
    recolor_and_flip_(images, flips, colours)
    difference = np.abs(there.permute(0, 2, 3, 1).numpy().astype(int) - images)
    assert difference.max() <= 1 and (difference > 0).mean() < 0.1
