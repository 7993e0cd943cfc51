"""Box arithmetic."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets.common.boxes import aligned_iou, area, centre_to_corners

numbers = st.floats(-1000, 1000, width=32)
sizes = st.floats(0.125, 1000, width=32)
boxes = st.builds(lambda x, y, w, h: [x, y, x + w, y + h], numbers, numbers, sizes, sizes)


@pytest.mark.parametrize(
    ("first", "second", "iou"),
    [
        ((0, 0, 4, 4), (0, 0, 4, 4), 1),
        ((0, 0, 4, 4), (2, 2, 6, 6), 4 / (16 + 16 - 4)),
        ((0, 0, 4, 4), (1, 1, 3, 3), 4 / 16),
        ((0, 0, 4, 4), (4, 0, 8, 4), 0),  # they touch
        ((0, 0, 4, 4), (9, 9, 12, 12), 0),  # apart on both axes: two negative sides make no area
        ((0, 0, 0, 0), (0, 0, 0, 0), 0),  # padding
    ],
)
def test_iou_by_hand(first, second, iou):
    first, second = torch.tensor([first, second], dtype=torch.float32)
    assert aligned_iou(first, second).item() == pytest.approx(iou)


@settings(deadline=None)
@given(boxes, boxes)
def test_iou_is_symmetric_and_between_0_and_1(first, second):
    first, second = torch.tensor([first, second])
    iou = aligned_iou(first, second)
    assert 0 <= iou <= 1 + 1e-6 and iou == aligned_iou(second, first)
    assert aligned_iou(first, first).item() == pytest.approx(1, abs=1e-6)


@settings(deadline=None)
@given(boxes)
def test_corners_hold_centre_and_size(box):
    box = torch.tensor(box)
    size = box[2:] - box[:2]
    torch.testing.assert_close(centre_to_corners((box[:2] + box[2:]) / 2, size), box, rtol=1e-5, atol=1e-3)
    assert area(box).item() == pytest.approx((size[0] * size[1]).item())


def test_iou_broadcasts():
    assert aligned_iou(torch.zeros(2, 5, 3, 4), torch.ones(2, 5, 1, 4)).shape == (2, 5, 3)
