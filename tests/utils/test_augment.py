"""A picture pasted into its place, its boxes beside it, and its colours."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.augment import (
    NO_AUGMENTATION,
    Augmentation,
    Placement,
    Tile,
    colour_matrix,
    paste,
    place,
    random_colour,
    random_flip,
    visible_boxes,
)
from utils.letterbox import plan_letterbox

sides = st.integers(1, 3000)
fractions = st.floats(0, 1)
tiles = st.builds(
    Tile,
    zoom=st.floats(0.1, 4),
    anchor=st.tuples(fractions, fractions),
    point=st.tuples(st.floats(-100, 400), st.floats(-100, 300)),
    bounds=st.sampled_from([(0, 0, 320, 200), (0, 0, 150, 90), (150, 90, 320, 200), (319, 0, 320, 1)]),
    flip=st.booleans(),
)


@settings(max_examples=300, deadline=None)
@given(tiles, sides, sides)
def test_placement_is_inside_and_maps_crop_on_area(tile, height, width):
    placement = place(tile, (height, width), (200, 320))
    if placement is None:
        return
    (left, top, right, bottom), (x1, y1, x2, y2) = placement.crop, placement.area
    assert left >= 0 and top >= 0 and left < right <= width and top < bottom <= height
    assert tile.bounds[0] <= x1 < x2 <= tile.bounds[2] and tile.bounds[1] <= y1 < y2 <= tile.bounds[3]
    mapped = placement.forward(np.array([placement.crop], float))
    np.testing.assert_allclose(mapped, [placement.area], rtol=0, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.booleans())
def test_without_zoom_and_shift_it_is_the_letterbox(height, width, centred):
    middle = 0.5 if centred else 0.0
    tile = Tile(1.0, (middle, middle), (middle * 320, middle * 200), (0, 0, 320, 200))
    placement = place(tile, (height, width), (200, 320))
    plan = plan_letterbox((height, width), (200, 320), centred)
    resized_height, resized_width = plan.resized
    assert placement.crop == (0, 0, width, height)
    assert placement.area == (plan.left, plan.top, plan.left + resized_width, plan.top + resized_height)
    box = np.array([[0.25 * width, 0.5 * height, 0.75 * width, height]])
    np.testing.assert_allclose(placement.forward(box), plan.forward(box), rtol=1e-6)


def test_flip_by_hand():
    # The crop 10..30 fills 100..140, so twice the size; x 12..20 lies 2..10 from its left edge,
    # mirrored 4..20 from the right edge of the area: 120..136.
    placement = Placement((10, 0, 30, 10), (100, 50, 140, 70), flip=True)
    np.testing.assert_allclose(placement.forward(np.array([[12.0, 1, 20, 5]])), [[120, 52, 136, 60]])


def test_a_mirrored_picture_shows_its_other_side():
    # Twice the size, 200 wide, and of that the left half is in bounds: mirrored, the picture's right half.
    tile = Tile(1.0, (0, 0), (0, 0), (0, 0, 100, 200), flip=True)
    assert place(tile, (100, 100), (200, 200)) == Placement((50, 0, 100, 100), (0, 0, 100, 200), True)
    assert place(tile._replace(flip=False), (100, 100), (200, 200)).crop == (0, 0, 50, 100)


def test_nothing_to_be_seen():
    assert place(Tile(1.0, (0, 0), (320, 0), (0, 0, 320, 200)), (50, 50), (200, 320)) is None
    assert place(Tile(1.0, (0, 0), (0, 0), (150, 0, 150, 200)), (50, 50), (200, 320)) is None


def test_paste_leaves_the_rest_alone_and_the_picture_too():
    rng = np.random.default_rng(0)
    image = rng.integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = image.copy()
    canvas = np.full((100, 100, 3), 7, np.uint8)
    paste(image, Placement((5, 5, 25, 25), (10, 20, 30, 40), True), canvas, colour_matrix(0, 1, 0))
    assert (canvas[20:40, 10:30] == 0).all()  # a value of 0 makes all black
    canvas[20:40, 10:30] = 7
    assert (canvas == 7).all()
    assert (image == before).all()


def test_paste_of_the_same_size_copies_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    canvas = np.zeros((100, 100, 3), np.uint8)
    paste(image, Placement((5, 5, 25, 25), (10, 20, 30, 40), False), canvas)
    assert (canvas[20:40, 10:30] == image[5:25, 5:25]).all()
    paste(image, Placement((5, 5, 25, 25), (10, 20, 30, 40), True), canvas)
    assert (canvas[20:40, 10:30] == image[5:25, 5:25][:, ::-1]).all()


def test_boxes_with_too_little_left_are_dropped():
    boxes = np.array(
        [
            [10.0, 10, 20, 20],  # whole
            [-90, 0, 10, 50],  # a tenth is left
            [-10, 0, 10, 50],  # half is left
            [99, 0, 130, 50],  # 1 px wide
            [120, 0, 130, 50],  # outside
            [30, 30, 31.5, 60],  # 1.5 px wide
        ]
    )
    clipped, seen = visible_boxes(boxes, (0, 0, 100, 100), Augmentation(min_visibility=0.2, min_size=2))
    assert seen.tolist() == [True, False, True, False, False, False]
    assert clipped[2].tolist() == [0, 0, 10, 50]
    _, all_seen = visible_boxes(boxes, (0, 0, 100, 100), NO_AUGMENTATION)
    assert all_seen.tolist() == [True, True, True, True, False, True]


def test_no_boxes():
    clipped, seen = visible_boxes(np.zeros((0, 4)), (0, 0, 10, 10), Augmentation())
    assert clipped.shape == (0, 4) and seen.shape == (0,)


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
    assert random_colour(NO_AUGMENTATION, rng) is None
    assert not any(random_flip(NO_AUGMENTATION, rng) for _ in range(100))
    assert all(random_flip(Augmentation(flip=1), rng) for _ in range(100))
    only_value = random_colour(Augmentation(hue=0, saturation=0, value=0.5), rng)
    assert only_value[0, 0] != 1
    np.testing.assert_allclose(only_value, np.eye(3) * only_value[0, 0], atol=1e-6)


@pytest.mark.parametrize("wrong", [{"mosaic": 1.5}, {"flip": -0.1}, {"hue": 2}, {"min_visibility": -1}])
def test_fractions_out_of_range_are_named(wrong):
    with pytest.raises(ValueError, match=f"{next(iter(wrong))} is .*0 to 1"):
        Augmentation(**wrong)


@pytest.mark.parametrize("scale", [(1.5, 0.5), (0, 1)])
def test_a_scale_that_makes_no_sense_is_refused(scale):
    with pytest.raises(ValueError, match="smaller zoom first"):
        Augmentation(scale=scale)
