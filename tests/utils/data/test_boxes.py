"""Areas, intersections and IoU of boxes, by hand."""

import numpy as np
import pytest

from utils.data.boxes import box_area, intersection, iou, xywh_to_xyxy, xyxy_to_xywh

# A square of side 10; the same 5 further right; one that only touches it; one within it; one far away.
SQUARE = np.array([0, 0, 10, 10], np.float32)
OTHERS = np.array([[5, 0, 15, 10], [10, 0, 20, 10], [2, 3, 6, 5], [90, 90, 95, 99]], np.float32)


def test_areas_are_width_times_height():
    assert box_area(OTHERS).tolist() == [10 * 10, 10 * 10, 4 * 2, 5 * 9]
    assert box_area(SQUARE) == 100
    assert box_area(OTHERS.reshape(2, 2, 4)).shape == (2, 2)


def test_intersections_are_the_shared_area():
    assert intersection(SQUARE, OTHERS).tolist() == [5 * 10, 0, 4 * 2, 0]
    assert intersection(OTHERS, SQUARE).tolist() == [50, 0, 8, 0]


def test_boxes_apart_in_both_directions_share_nothing():
    """Width and height of what they share are -80 each: their product must not count."""
    assert intersection(SQUARE, OTHERS[3]) == 0


def test_iou_is_the_shared_part_of_both_together():
    expected = [50 / (100 + 100 - 50), 0, 8 / (100 + 8 - 8), 0]
    assert iou(SQUARE, OTHERS) == pytest.approx(expected)
    assert iou(OTHERS, OTHERS).tolist() == [1, 1, 1, 1]


def test_each_box_with_each():
    first = np.stack([SQUARE, OTHERS[0]])
    # The second, 5 to 15, shares 5 with the third, 10 to 20, and 1 x 2 with the fourth, 2 to 6.
    assert intersection(first[:, None], OTHERS).tolist() == [[50, 0, 8, 0], [100, 50, 2, 0]]
    assert iou(first[:, None], OTHERS)[1] == pytest.approx([1, 50 / 150, 2 / (100 + 8 - 2), 0])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_dtype_stays(dtype):
    boxes = OTHERS.astype(dtype)
    results = (box_area(boxes), intersection(boxes, boxes), iou(boxes, boxes), xyxy_to_xywh(boxes))
    assert {result.dtype for result in results} == {np.dtype(dtype)}


def test_no_boxes():
    nothing = np.zeros((0, 4), np.float32)
    assert box_area(nothing).shape == (0,)
    assert intersection(nothing[:, None], OTHERS).shape == (0, 4)
    assert iou(OTHERS[:, None], nothing).shape == (4, 0)
    assert xyxy_to_xywh(nothing).shape == xywh_to_xyxy(nothing).shape == (0, 4)


def test_two_boxes_without_area_have_no_iou():
    flat = np.array([[3.0, 3, 3, 8]])
    with pytest.warns(RuntimeWarning):
        assert np.isnan(iou(flat, flat)).all()
    assert iou(flat, SQUARE).tolist() == [0]


def test_corners_and_sides():
    corners = [[5, 0, 15, 10], [10, 0, 20, 10], [2, 3, 6, 5], [90, 90, 95, 99]]
    sides = [[5, 0, 10, 10], [10, 0, 10, 10], [2, 3, 4, 2], [90, 90, 5, 9]]
    assert xyxy_to_xywh(np.array(corners)).tolist() == sides
    assert xywh_to_xyxy(np.array(sides)).tolist() == corners
