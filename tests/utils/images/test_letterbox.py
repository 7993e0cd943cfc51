"""The letterbox must agree with itself forth and back, and its boxes with its pixels."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.images.letterbox import letterbox, plan_letterbox

sides = st.integers(1, 5000)
inputs = st.integers(32, 1333)


def test_wide_image_by_hand():
    # 1000 x 500 into 416 x 416: scale .416, so 416 x 208, and 208 rows of padding.
    plan = plan_letterbox((500, 1000), (416, 416))
    assert (plan.resized, plan.left, plan.top) == ((208, 416), 0, 0)
    assert plan_letterbox((500, 1000), (416, 416), centred=True).top == 104
    boxes = np.array([[100.0, 50, 1000, 500]])
    np.testing.assert_allclose(plan.forward(boxes), [[41.6, 20.8, 416, 208]], rtol=1e-6)


def test_scales_are_those_of_the_rounded_size():
    # 333 * 640 / 500 = 426.24, so 426 rows: a scale of 426/333, not 640/500.
    plan = plan_letterbox((333, 500), (640, 640))
    assert plan.resized == (426, 640)
    assert plan.scale_y == 426 / 333 and plan.scale_x == 640 / 500
    assert plan.forward(np.array([[0, 0, 500, 333.0]])).tolist() == [[0, 0, 640, 426]]


@settings(max_examples=200, deadline=None)
@given(sides, sides, inputs, inputs, st.booleans(), st.data())
def test_forth_and_back_agree(height, width, target_height, target_width, centred, data):
    plan = plan_letterbox((height, width), (target_height, target_width), centred)
    box = np.array([[data.draw(st.floats(0, side)) for side in (width, height, width, height)]])
    on_input = plan.forward(box)
    # What float32 can tell apart at 1333 px on the input, seen from the original.
    unit = 1333 * np.finfo(np.float32).eps
    atol = unit / min(plan.scale_x, plan.scale_y) + unit * 4
    np.testing.assert_allclose(plan.inverse(on_input), box, rtol=0, atol=atol)
    np.testing.assert_allclose(plan.forward(plan.inverse(on_input)), on_input, rtol=0, atol=4 * unit)


def test_forth_and_back_agree_to_a_ten_thousandth_of_a_pixel():
    rng = np.random.default_rng(0)
    for height, width in rng.integers(200, 1000, (50, 2)).tolist():
        plan = plan_letterbox((height, width), (640, 640))
        boxes = rng.random((20, 4)) * [width, height, width, height]
        np.testing.assert_allclose(plan.inverse(plan.forward(boxes)), boxes, rtol=0, atol=1e-4)


@settings(max_examples=200, deadline=None)
@given(sides, sides, inputs, inputs, st.booleans())
def test_image_lies_inside_and_touches_two_sides(height, width, target_height, target_width, centred):
    plan = plan_letterbox((height, width), (target_height, target_width), centred)
    resized_height, resized_width = plan.resized
    assert plan.top >= 0 and plan.top + resized_height <= target_height
    assert plan.left >= 0 and plan.left + resized_width <= target_width
    assert resized_height == target_height or resized_width == target_width
    assert min(plan.resized) >= 1


def test_inverse_clips_to_the_image():
    plan = plan_letterbox((100, 200), (400, 400), centred=True)
    boxes = np.array([[-50.0, 0, 500, 400]])
    assert plan.inverse(boxes).tolist() == [[0, 0, 200, 100]]


def test_no_boxes():
    plan = plan_letterbox((100, 200), (400, 400))
    assert plan.forward(np.zeros((0, 4), np.float32)).shape == (0, 4)
    assert plan.inverse(np.zeros((0, 4), np.float32)).shape == (0, 4)


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("shape", [(50, 90), (90, 50), (64, 64), (1, 300), (300, 1), (7, 5)])
def test_pixels_lie_where_the_plan_says(shape, centred):
    image = np.full((*shape, 3), 200, np.uint8)
    out, plan = letterbox(image, (64, 96), pad_value=114, centred=centred)
    assert out.shape == (64, 96, 3)
    expected = np.full((64, 96, 3), 114, np.uint8)
    x1, y1, x2, y2 = plan.forward(np.array([[0, 0, shape[1], shape[0]]]))[0].round().astype(int)
    expected[y1:y2, x1:x2] = 200
    assert (out == expected).all()


def test_writes_into_a_slice_of_a_batch():
    image = np.random.default_rng(0).integers(0, 256, (50, 90, 3), dtype=np.uint8)
    batch = np.zeros((3, 64, 64, 3), np.uint8)
    out, _ = letterbox(image, (64, 64), out=batch[1])
    assert np.shares_memory(out, batch)
    assert (batch[1] == letterbox(image, (64, 64))[0]).all()
    assert not batch[0].any() and not batch[2].any()


def test_an_image_of_the_right_size_is_not_resampled():
    image = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    out, plan = letterbox(image, (64, 96))
    assert out is image
    assert (plan.scale_x, plan.scale_y, plan.left, plan.top) == (1, 1, 0, 0)
