"""Boxes taken to their places: all at once as one by one, and without those that are hardly seen."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.augment.test_placement import straight
from utils.augment.box_transform import PlacedImage, map_boxes, placed_objects, visible_boxes
from utils.augment.settings import NO_AUGMENTATION, Augmentation
from utils.data.index import ImageRecord, build_index


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
    areas = np.tile([0.0, 0, 100, 100], (6, 1))
    clipped, seen = visible_boxes(boxes, areas, Augmentation(min_visibility=0.2, min_size=2))
    assert seen.tolist() == [True, False, True, False, False, False]
    assert clipped[2].tolist() == [0, 0, 10, 50]
    _, all_seen = visible_boxes(boxes, areas, NO_AUGMENTATION)
    assert all_seen.tolist() == [True, True, True, True, False, True]


def test_no_boxes():
    clipped, seen = visible_boxes(np.zeros((0, 4)), np.zeros((0, 4)), Augmentation())
    assert clipped.shape == (0, 4) and seen.shape == (0,)
    index = build_index([ImageRecord("a.jpg")], ["a"])
    assert len(placed_objects(index, [], Augmentation()).labels) == 0
    nothing = placed_objects(
        index, [PlacedImage(0, 0, 1, straight((0, 0, 9, 9), (0, 0, 9, 9)))], Augmentation()
    )
    assert nothing.boxes.shape == (0, 4)


@pytest.fixture
def index():
    boxes = [
        np.array([[0, 0, 10, 10]]),
        np.zeros((0, 4)),
        np.array([[2, 2, 4, 6], [0, 0, 8, 8], [1, 1, 9, 9]]),
    ]
    records = [
        ImageRecord(f"{number}.jpg", rows.astype(np.float32), np.arange(len(rows), dtype=np.int32) + number)
        for number, rows in enumerate(boxes)
    ]
    hidden = np.array([False, True, False]), np.array([False, False, True])
    records[2] = ImageRecord("2.jpg", records[2].boxes, records[2].labels, *hidden)
    return build_index(records, list("abcde"))


def test_images_used_several_times_by_hand(index):
    """Image 2 has one target, 2..4 x 2..6, of class 2: the others are difficult and a crowd."""
    placed = [
        PlacedImage(1, 2, 1, straight((0, 0, 10, 10), (0, 0, 20, 20))),
        PlacedImage(0, 0, 1, straight((0, 0, 10, 10), (50, 50, 60, 60))),
        PlacedImage(0, 1, 1, straight((0, 0, 10, 10), (0, 0, 10, 10))),
        PlacedImage(0, 2, 2, straight((0, 0, 5, 5), (30, 0, 40, 10))),  # decoded at half size
    ]
    objects = placed_objects(index, placed, NO_AUGMENTATION)
    assert objects.sample.tolist() == [0, 0, 1]
    assert objects.boxes.tolist() == [[50, 50, 60, 60], [32, 2, 34, 6], [4, 4, 8, 12]]
    assert objects.labels.tolist() == [0, 2, 2]


@given(st.lists(st.floats(-2, 2), min_size=4, max_size=4), st.integers(0, 2**32))
def test_a_turned_box_is_that_of_its_ellipse(linear, seed):
    """Held against points on the ellipse itself, taken through the matrix."""
    rng = np.random.default_rng(seed)
    matrix = np.column_stack([np.array(linear).reshape(2, 2), rng.uniform(-50, 50, 2)])
    corner = rng.uniform(0, 50, 2)
    box = np.concatenate([corner, corner + rng.uniform(1, 60, 2)])
    (mapped,) = map_boxes(box[None], matrix[None])
    if matrix[0, 1] == 0 and matrix[1, 0] == 0:
        return  # not turned: negative scales, which would mirror, do not happen
    angles = np.linspace(0, 2 * np.pi, 3601)
    half = (box[2:] - box[:2]) / 2
    points = (box[:2] + box[2:]) / 2 + half * np.column_stack([np.cos(angles), np.sin(angles)])
    points = points @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(mapped, [*points.min(axis=0), *points.max(axis=0)], atol=1e-3)
