"""Which boxes are marked, by hand."""

import numpy as np
import pytest

from tests.utils.doctor.doctor_cases import image_case, split
from utils.doctor import box_rules
from utils.doctor.box_rules import (
    box_owners,
    boxes_beyond_border,
    conflicting_boxes,
    doubled_boxes,
    tiny_boxes,
    training_sides,
    whole_image_boxes,
)

BOX = (10, 10, 30, 30)


def test_owners():
    assert box_owners(split("a", image_case(BOX, BOX), image_case(), image_case(BOX)).index).tolist() == [
        0,
        0,
        2,
    ]


def test_tiny_is_below_two_pixels_on_either_side():
    boxes = [(10, 10, 12, 12), (10, 10, 11.9, 40), (10, 10, 40, 11.5)]
    assert tiny_boxes(split("a", image_case(*boxes))).tolist() == [False, True, True]


def test_whole_is_98_percent_of_both_sides():
    # The image is 100 wide and 80 high: 98 % are 98 and 78.4.
    boxes = [(0, 0, 98, 79), (0, 0, 97, 80), (0, 0, 100, 78), (1, 1, 99.5, 80)]
    assert whole_image_boxes(split("a", image_case(*boxes))).tolist() == [True, False, False, True]


def test_beyond_the_border_by_more_than_a_pixel():
    boxes = [(0, 0, 101, 81), (0, 0, 102, 80), (0, 0, 100, 82), (-1, -1, 5, 5), (-2, 0, 5, 5), (0, -2, 5, 5)]
    assert boxes_beyond_border(split("a", image_case(*boxes))).tolist() == [
        False,
        True,
        True,
        False,
        True,
        True,
    ]


def test_the_border_is_that_of_the_file_or_else_as_stated():
    box = (0, 0, 150, 50)
    unreadable = {"error": "damaged", "size": (0, 0)}
    cases = [
        image_case(box, stated=(80, 200)),
        image_case(box, stated=(80, 200), **unreadable),
        image_case(box, stated=(80, 100), **unreadable),
        image_case(box, **unreadable),
    ]
    assert boxes_beyond_border(split("a", *cases)).tolist() == [True, False, True, False]


def test_boxes_drawn_before_exif_turned_the_image_are_another_finding():
    turned = {"orientation": 6, "size": (100, 80)}
    assert boxes_beyond_border(split("a", image_case((85, 10, 95, 30), **turned))).tolist() == [False]
    assert boxes_beyond_border(split("a", image_case((85, 10, 95, 99), **turned))).tolist() == [
        True
    ]  # fits neither


def test_doubled_marks_the_later_and_conflicting_both():
    near = (10, 10, 30, 31)  # IoU 20 / 21
    far = (10, 10, 30, 33)  # 20 / 23 is below .9
    data = split("a", image_case(BOX), image_case(BOX, near, far), image_case(BOX, near, labels=[0, 1]))
    # far overlaps with the one before it: 21 / 23
    assert doubled_boxes(data).tolist() == [False, False, True, True, False, False]
    assert conflicting_boxes(data).tolist() == [False, False, False, False, True, True]


def test_boxes_of_different_images_and_crowds_do_not_double():
    data = split("a", image_case(BOX), image_case(BOX, BOX, crowd=[0, 1]))
    assert not doubled_boxes(data).any() and not conflicting_boxes(data).any()


def test_sides_at_the_size_of_training():
    # 100 x 80 fits 640 x 640 enlarged 6.4 times; the root of 20 x 20 is 20, of 10 x 40 too.
    boxes = training_sides(split("a", image_case(BOX, (0, 0, 10, 40))), (640, 640))
    assert boxes == pytest.approx([128, 128])
    assert training_sides(split("a", image_case(BOX)), (40, 640)) == pytest.approx([10])  # 80 high into 40
    assert np.isnan(training_sides(split("a", image_case(BOX, error="x", size=(0, 0))), (640, 640))).all()


@pytest.mark.parametrize("seed", range(5))
def test_boxes_compared_in_blocks_are_those_compared_at_once(monkeypatch, seed):
    rng = np.random.default_rng(seed)
    corners = rng.integers(0, 2, (60, 2)) + rng.integers(0, 6, (60, 2)) * 8
    boxes = np.hstack([corners, corners + 30])
    data = split("a", image_case(*map(tuple, boxes.tolist())))
    data.index.labels[:] = rng.integers(0, 3, 60)
    whole = doubled_boxes(data), conflicting_boxes(data)
    assert all(mask.any() and not mask.all() for mask in whole)
    monkeypatch.setattr(box_rules, "BLOCK_ROWS", 7)
    blocks = doubled_boxes(data), conflicting_boxes(data)
    assert all(np.array_equal(*pair) for pair in zip(whole, blocks, strict=True))
