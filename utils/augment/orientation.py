"""The eight orientations of an image: quarter turns with or without a flip, exact to the pixel."""

from typing import NamedTuple

import numpy as np

from utils.augment.settings import Augmentation
from utils.data.types import Image, Size


class Orientation(NamedTuple):
    """An orientation of an image.

    turns    quarter turns counterclockwise, 0 to 3
    flipped  whether the image is flipped vertically before it is turned
    """

    turns: int = 0
    flipped: bool = False


UPRIGHT = Orientation()


def random_orientation(settings: Augmentation, rng: np.random.Generator) -> Orientation:
    """Sample a vertical flip and a quarter turn by their probabilities."""
    if settings.vertical_flip == 0 and settings.quarter_turn == 0:
        return UPRIGHT
    turned, flipped = rng.random(2) < (settings.quarter_turn, settings.vertical_flip)
    turns = int(rng.integers(1, 4))
    return Orientation(turns if turned else 0, bool(flipped))


def orient(image: Image, orientation: Orientation) -> Image:
    """Return the image in this orientation; the image itself if it is upright."""
    if orientation == UPRIGHT:
        return image
    flipped = image[::-1] if orientation.flipped else image
    return np.ascontiguousarray(np.rot90(flipped, orientation.turns))  # OpenCV takes no negative strides


def orientation_matrix(orientation: Orientation, source: Size) -> np.ndarray:
    """Return the matrix [3, 3] from x, y, 1 in an image of size `source` to those in the oriented image."""
    height, width = source
    matrix = np.eye(3)
    if orientation.flipped:
        matrix = np.array([[1.0, 0, 0], [0, -1, height], [0, 0, 1]])
    for _ in range(orientation.turns):
        matrix = np.array([[0.0, 1, 0], [-1, 0, width], [0, 0, 1]]) @ matrix
        height, width = width, height
    return matrix
