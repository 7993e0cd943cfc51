"""An image pasted into its place, straight or turned, and the map that its boxes go through."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.augment.box_transform import map_boxes
from utils.augment.placement import Placement, PlannedImage, fill_around, paste, resolve
from utils.images.letterbox import plan_letterbox

sides = st.integers(1, 3000)
fractions = st.floats(0, 1)
tiles = st.builds(
    PlannedImage,
    zoom=st.floats(0.1, 4),
    anchor=st.tuples(fractions, fractions),
    point=st.tuples(st.floats(-100, 400), st.floats(-100, 300)),
    bounds=st.sampled_from([(0, 0, 320, 200), (0, 0, 150, 90), (150, 90, 320, 200), (319, 0, 320, 1)]),
    transform=st.none(),
)


def forward(placement: Placement, *boxes) -> np.ndarray:
    boxes = np.array(boxes, np.float64)
    return map_boxes(boxes, np.repeat(placement.matrix[None], len(boxes), axis=0))


def straight(crop, area) -> Placement:
    """The placement that stretches `crop` over `area`."""
    scale = [(area[i + 2] - area[i]) / (crop[i + 2] - crop[i]) for i in (0, 1)]
    matrix = [[scale[0], 0, area[0] - crop[0] * scale[0]], [0, scale[1], area[1] - crop[1] * scale[1]]]
    return Placement(area, np.array(matrix), crop)


def turned(degrees, **changes) -> PlannedImage:
    """A tile in the middle of an input of 200 x 320."""
    angle = np.radians(degrees)
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return PlannedImage(1.0, (0.5, 0.5), (160, 100), (0, 0, 320, 200), turn)._replace(**changes)


@settings(max_examples=300, deadline=None)
@given(tiles, sides, sides)
def test_placement_is_inside_and_maps_crop_on_area(tile, height, width):
    placement = resolve(tile, (height, width), (200, 320))
    if placement is None:
        return
    (left, top, right, bottom), (x1, y1, x2, y2) = placement.crop, placement.area
    assert left >= 0 and top >= 0 and left < right <= width and top < bottom <= height
    assert tile.bounds[0] <= x1 < x2 <= tile.bounds[2] and tile.bounds[1] <= y1 < y2 <= tile.bounds[3]
    np.testing.assert_allclose(forward(placement, placement.crop), [placement.area], rtol=0, atol=1e-9)


@settings(max_examples=200, deadline=None)
@given(sides, sides, st.booleans())
def test_without_zoom_and_shift_it_is_the_letterbox(height, width, centred):
    middle = 0.5 if centred else 0.0
    tile = PlannedImage(1.0, (middle, middle), (middle * 320, middle * 200), (0, 0, 320, 200))
    placement = resolve(tile, (height, width), (200, 320))
    plan = plan_letterbox((height, width), (200, 320), centred)
    resized_height, resized_width = plan.resized
    assert placement.crop == (0, 0, width, height)
    assert placement.area == (plan.left, plan.top, plan.left + resized_width, plan.top + resized_height)
    box = np.array([[0.25 * width, 0.5 * height, 0.75 * width, height]])
    np.testing.assert_allclose(forward(placement, *box), plan.forward(box), rtol=1e-6)


def test_nothing_to_be_seen():
    for turn in (None, np.eye(2)):
        tile = PlannedImage(1.0, (0, 0), (320, 0), (0, 0, 320, 200), turn)
        assert resolve(tile, (50, 50), (200, 320)) is None
        empty = tile._replace(point=(0, 0), bounds=(150, 0, 150, 200))
        assert resolve(empty, (50, 50), (200, 320)) is None


def test_paste_leaves_the_rest_alone_and_the_image_too():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    before = image.copy()
    for placement in (straight((5, 5, 25, 25), (10, 20, 30, 40)), resolve(turned(30), (40, 60), (100, 100))):
        canvas = np.full((200, 320, 3), 7, np.uint8)
        paste(image, placement, canvas, 0)
        x1, y1, x2, y2 = placement.area
        assert (canvas[y1:y2, x1:x2] != 7).mean() > 0.9
        canvas[y1:y2, x1:x2] = 7
        assert (canvas == 7).all()
        assert (image == before).all()


def test_paste_of_the_same_size_copies_pixels():
    image = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
    canvas = np.zeros((100, 100, 3), np.uint8)
    paste(image, straight((5, 5, 25, 25), (10, 20, 30, 40)), canvas, 0)
    assert (canvas[20:40, 10:30] == image[5:25, 5:25]).all()


def test_a_turn_by_nothing_is_no_turn():
    image = np.random.default_rng(0).integers(0, 256, (200, 320, 3), dtype=np.uint8)
    canvas = np.zeros((200, 320, 3), np.uint8)
    placement = resolve(turned(0), (200, 320), (200, 320))
    paste(image, placement, canvas, 0)
    assert placement.area == (0, 0, 320, 200) and placement.crop is None
    assert (canvas == image).all()


def test_a_quarter_turn_by_hand():
    """An image of 100 x 100 around (160, 100): its corner (0, 0) comes to x 160 + 50, y 100 - 50."""
    tile = turned(90, zoom=0.5)  # fitting doubles it
    placement = resolve(tile, (100, 100), (200, 320))
    np.testing.assert_allclose(placement.matrix @ [0, 0, 1], [210, 50], atol=1e-9)
    np.testing.assert_allclose(placement.matrix @ [100, 0, 1], [210, 150], atol=1e-9)
    # x from 10 to 30 becomes y from 60 to 80; y from 20 to 80 becomes x from 210 - 80 to 210 - 20.
    np.testing.assert_allclose(forward(placement, (10, 20, 30, 80)), [[130, 60, 190, 80]], atol=1e-9)


@pytest.mark.parametrize("degrees", [10, 45, 130, -70])
@pytest.mark.parametrize("size", [(200, 320), (64, 200), (301, 77)])
def test_a_turned_ellipse_fills_its_box(degrees, size):
    """Painted, turned and looked for: it is where the box says, to two pixels."""
    height, width = size
    y, x = np.mgrid[0:height, 0:width] + 0.5
    middle, half = np.array([0.45 * width, 0.55 * height]), np.array([0.3 * width, 0.2 * height])
    inside = ((x - middle[0]) / half[0]) ** 2 + ((y - middle[1]) / half[1]) ** 2 <= 1
    image = np.where(inside[..., None], 255, 0).astype(np.uint8).repeat(3, axis=2)
    placement = resolve(turned(degrees, zoom=0.6), size, (200, 320))
    canvas = np.zeros((200, 320, 3), np.uint8)
    paste(image, placement, canvas, 0)
    rows, columns = np.nonzero(canvas[..., 0] > 127)
    seen = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    (box,) = forward(placement, [*(middle - half), *(middle + half)])
    np.testing.assert_allclose(seen, box, atol=2)


def test_only_what_the_image_leaves_free_is_filled():
    canvas = np.zeros((20, 30, 3), np.uint8)
    fill_around(canvas, (5, 2, 25, 18), (10, 4, 20, 10), 9)
    expected = np.zeros((20, 30, 3), np.uint8)
    expected[2:18, 5:25] = 9
    expected[4:10, 10:20] = 0
    assert (canvas == expected).all()
    fill_around(canvas, (5, 2, 25, 18), None, 9)
    assert (canvas[2:18, 5:25] == 9).all() and canvas.sum() == 9 * 3 * 16 * 20
