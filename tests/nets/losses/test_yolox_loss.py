"""The losses of YOLOX by hand."""

import math

import pytest
import torch

from nets.heads.yolox_head import decode_yolox_boxes
from nets.losses.common import LossSettings
from nets.losses.yolox_loss import encode_yolox_boxes
from nets.losses.yolox_loss import yolox_loss as loss_with_settings
from tests.nets.batches import odd_boxes, targets
from tests.nets.raw_outputs import CELLS, YOLOX_CELL, randomised, yolox_raw

CELL = YOLOX_CELL  # its corner is at (32, 32)
LN2 = math.log(2)


def yolox_loss(raw, wanted):
    return loss_with_settings(raw, wanted, LossSettings())


# Centre (32, 32), so cell CELL proposes it exactly. The other candidates' IoUs: .25 of the cells at that
# corner on strides 8 and 32; 1/9, 1/9 and 1/19 of the neighbours on stride 8. The sum is below 2: one cell.
OBJECT = (1, (24.0, 24.0, 40.0, 40.0))


def found(raw, *objects):
    return {name: loss.item() for name, loss in yolox_loss(raw, targets(*objects)).items()}


def test_a_perfect_box():
    losses = found(yolox_raw(), [OBJECT])
    # A probability of 1/2 costs ln 2 for either target: once for each cell, twice for the two classes.
    expected = {"box": 0, "objectness": CELLS * LN2, "class": 2 * LN2, "l1": 0}
    assert losses == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_half_the_width_and_a_surer_class():
    raw = yolox_raw()
    raw.boxes[0, CELL, 2] = -LN2  # 8 x 16 pixels in a box of 16 x 16: IoU 1/2
    raw.classes[0, CELL, 1] = math.log(3)  # probability 3/4
    raw.objectness[0, CELL] = math.log(3)
    losses = found(raw, [OBJECT])
    expected = {
        "box": 5 * (1 - 0.5**2),
        "objectness": (CELLS - 1) * LN2 - math.log(0.75),
        "class": LN2 - 0.5 * math.log(0.75) - 0.5 * math.log(0.25),  # the target is the IoU, 1/2
        "l1": LN2,
    }
    assert losses == pytest.approx(expected, rel=1e-5)


def test_sums_are_divided_by_the_positive_cells_of_the_whole_batch():
    raw = yolox_raw(batch=3)
    raw.boxes[0, CELL, 2] = -LN2
    losses = found(raw, [OBJECT], [OBJECT], [])  # two positive cells, the third image is empty
    expected = {
        "box": 5 * 0.75 / 2,
        "objectness": 3 * CELLS * LN2 / 2,
        "class": 2 * LN2,  # at one half every target costs ln 2
        "l1": LN2 / 2,
    }
    assert losses == pytest.approx(expected, rel=1e-5)


def test_without_objects_only_objectness_is_left():
    expected = {"box": 0, "objectness": 2 * CELLS * LN2, "class": 0, "l1": 0}
    assert found(yolox_raw(batch=2), [], []) == pytest.approx(expected, rel=1e-5)
    raw = randomised(yolox_raw(2, 3), fields=3)
    sum(yolox_loss(raw, targets([], [])).values()).backward()
    assert not raw.boxes.grad.any() and not raw.classes.grad.any()
    assert (raw.objectness.grad > 0).all()


def test_padding_and_order_do_not_matter():
    objects = [(0, (3.0, 5.0, 20.0, 31.0)), (2, (30.0, 22.0, 61.0, 60.0)), (1, (40.0, 2.0, 47.0, 9.0))]
    expected = found(randomised(yolox_raw(2, 3), fields=3), objects, objects[:1])
    padded = yolox_loss(randomised(yolox_raw(2, 3), fields=3), targets(objects, objects[:1], entries=30))
    assert {name: loss.item() for name, loss in padded.items()} == pytest.approx(expected, rel=1e-5)
    assert found(randomised(yolox_raw(2, 3), fields=3), objects[::-1], objects[:1]) == pytest.approx(
        expected, rel=1e-5
    )
    assert found(randomised(yolox_raw(2, 3), fields=3), objects[1:], objects[:1]) != pytest.approx(
        expected, rel=1e-2
    )


@odd_boxes
def test_odd_boxes_give_finite_losses_and_gradients(box):
    raw = randomised(yolox_raw(2, 3), fields=3)
    losses = yolox_loss(raw, targets([(0, box)], [(1, box), (1, box)]))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(value.grad.isfinite().all() for value in raw[:3])


def test_a_step_against_the_gradient_lowers_the_loss():
    raw = randomised(yolox_raw(2, 3), fields=3)
    wanted = targets([OBJECT], [(0, (4.0, 4.0, 30.0, 50.0))])
    before = sum(yolox_loss(raw, wanted).values())
    before.backward()
    stepped = raw._replace(**{n: getattr(raw, n) - 0.003 * getattr(raw, n).grad for n in raw._fields[:3]})
    assert sum(yolox_loss(stepped, wanted).values()) < before


def test_encoding_inverts_decoding():
    raw = randomised(yolox_raw(2, 3), fields=3)
    torch.testing.assert_close(
        encode_yolox_boxes(decode_yolox_boxes(raw), raw.cells, raw.strides), raw.boxes, rtol=1e-4, atol=1e-4
    )
