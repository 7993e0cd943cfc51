"""Quarter turns and flips are exact, for pixels and for boxes."""

from collections import Counter
from itertools import product

import numpy as np
import pytest

from utils.augment.box_transform import map_boxes
from utils.augment.orientation import (
    UPRIGHT,
    Orientation,
    orient,
    orientation_matrix,
    random_orientation,
)
from utils.augment.placement import PlannedImage, paste_uses
from utils.augment.settings import NO_AUGMENTATION, Augmentation

ALL = [Orientation(turns, flipped) for turns, flipped in product(range(4), (False, True))]
BOX = (10, 5, 34, 20)  # x1, y1, x2, y2


def image_with_box():
    image = np.zeros((60, 100, 3), np.uint8)
    image[BOX[1] : BOX[3], BOX[0] : BOX[2]] = 255
    return image


def white_box(image):
    """Return x1, y1, x2, y2 of the white pixels."""
    rows, columns = (np.flatnonzero((image > 127).any(axis=(axis, 2))) for axis in (1, 0))
    return [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]


def test_the_eight_are_different():
    image = np.arange(2 * 3 * 3, dtype=np.uint8).reshape(2, 3, 3)
    assert len({orient(image, orientation).tobytes() for orientation in ALL}) == 8
    assert orient(image, UPRIGHT) is image
    # The first row is "0 3 6" by red value: a quarter turn counterclockwise moves it to the first column.
    assert orient(image, Orientation(turns=1))[:, 0, 0].tolist() == [6, 3, 0]
    assert orient(image, Orientation(flipped=True))[0, :, 0].tolist() == [9, 12, 15]


@pytest.mark.parametrize("orientation", ALL)
def test_boxes_follow_the_pixels(orientation):
    image = image_with_box()
    matrix = orientation_matrix(orientation, (60, 100))[:2]
    (box,) = map_boxes(np.array([BOX], np.float64), matrix[None])
    assert box.tolist() == white_box(orient(image, orientation))


@pytest.mark.parametrize("orientation", ALL)
def test_boxes_follow_the_pixels_on_the_input(orientation):
    """Fitted to the input in its orientation: a wide image that is turned fills the height."""
    image, canvas = image_with_box(), np.zeros((200, 200, 3), np.uint8)
    planned = PlannedImage(1.0, (0.5, 0.5), (100, 100), (0, 0, 200, 200), orientation=orientation)
    ((_, placement),) = paste_uses(image, [(0, planned)], [canvas], 114)
    (box,) = map_boxes(np.array([BOX], np.float64), placement.matrix[None])
    grey = (canvas == 114).all(axis=2)
    canvas[grey] = 0
    assert np.abs(box - white_box(canvas)).max() <= 1
    wide = orientation.turns % 2 == 0
    assert placement.area == ((0, 40, 200, 160) if wide else (40, 0, 160, 200))


def test_how_often_each_is_drawn():
    rng = np.random.default_rng(0)
    settings = Augmentation(quarter_turn=0.6, vertical_flip=0.5)
    counts = Counter(random_orientation(settings, rng) for _ in range(8000))
    for orientation in ALL:
        expected = 8000 * 0.5 * (0.4 if orientation.turns == 0 else 0.2)
        assert abs(counts[orientation] - expected) < 5 * expected**0.5


def test_without_them_no_random_number_is_drawn():
    """So a seed gives the samples that it gave before there were orientations."""
    rng = np.random.default_rng(0)
    assert random_orientation(NO_AUGMENTATION, rng) == UPRIGHT
    assert rng.random() == np.random.default_rng(0).random()
