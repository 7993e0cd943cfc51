"""Losses worked out by hand."""

import math

import pytest
import torch

from nets.common.feature_levels import cell_grid
from nets.common.structures import Level
from nets.heads.yolox_head import YOLOXRaw, decode_yolox, decode_yolox_boxes
from nets.losses.common import LossSettings
from nets.losses.yolox_loss import encode_yolox_boxes
from nets.losses.yolox_loss import yolox_loss as loss_with_settings
from tests.nets.batches import odd_boxes, targets

LEVELS = (Level(8, 8, 8), Level(4, 4, 16), Level(2, 2, 32))  # an input of 64 x 64
CELLS = 64 + 16 + 4
CELL = 64 + 2 * 4 + 2  # row 2, column 2 of stride 16: its corner is at (32, 32)
LN2 = math.log(2)


def yolox_loss(raw, wanted):
    return loss_with_settings(raw, wanted, LossSettings())


def raw_outputs(batch=1, classes=2):
    """All outputs zero: each cell proposes a box one stride wide around its corner, all chances one half."""
    cells, strides = cell_grid(LEVELS, torch.device("cpu"))
    return YOLOXRaw(
        torch.zeros(batch, CELLS, 4),
        torch.zeros(batch, CELLS),
        torch.zeros(batch, CELLS, classes),
        cells,
        strides,
        LEVELS,
    )


def random_raw(batch=2, classes=3, seed=0):
    generator = torch.Generator().manual_seed(seed)
    raw = raw_outputs(batch, classes)
    noise = (torch.randn(value.shape, generator=generator) for value in raw[:3])
    return YOLOXRaw(*(value.requires_grad_() for value in noise), *raw[3:])


# Centre (32, 32), so cell CELL proposes it exactly. The other candidates' IoUs: .25 of the cells at that
# corner on strides 8 and 32; 1/9, 1/9 and 1/19 of the neighbours on stride 8. The sum is below 2: one cell.
OBJECT = (1, (24.0, 24.0, 40.0, 40.0))


def found(raw, *objects):
    return {name: loss.item() for name, loss in yolox_loss(raw, targets(*objects)).items()}


def test_a_perfect_box():
    losses = found(raw_outputs(), [OBJECT])
    # A chance of one half costs ln 2, whatever is right: once for each cell, twice for the two classes.
    expected = {"box": 0, "objectness": CELLS * LN2, "class": 2 * LN2, "l1": 0}
    assert losses == pytest.approx(expected, rel=1e-5, abs=1e-5)


def test_half_the_width_and_a_surer_class():
    raw = raw_outputs()
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
    raw = raw_outputs(batch=3)
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
    assert found(raw_outputs(batch=2), [], []) == pytest.approx(expected, rel=1e-5)
    raw = random_raw()
    sum(yolox_loss(raw, targets([], [])).values()).backward()
    assert not raw.boxes.grad.any() and not raw.classes.grad.any()
    assert (raw.objectness.grad > 0).all()


def test_padding_and_order_do_not_matter():
    objects = [(0, (3.0, 5.0, 20.0, 31.0)), (2, (30.0, 22.0, 61.0, 60.0)), (1, (40.0, 2.0, 47.0, 9.0))]
    expected = found(random_raw(), objects, objects[:1])
    padded = yolox_loss(random_raw(), targets(objects, objects[:1], entries=30))
    assert {name: loss.item() for name, loss in padded.items()} == pytest.approx(expected, rel=1e-5)
    assert found(random_raw(), objects[::-1], objects[:1]) == pytest.approx(expected, rel=1e-5)
    assert found(random_raw(), objects[1:], objects[:1]) != pytest.approx(expected, rel=1e-2)


@odd_boxes
def test_odd_boxes_give_finite_losses_and_gradients(box):
    raw = random_raw()
    losses = yolox_loss(raw, targets([(0, box)], [(1, box), (1, box)]))
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(value.grad.isfinite().all() for value in raw[:3])


def test_a_step_against_the_gradient_lowers_the_loss():
    raw = random_raw()
    wanted = targets([OBJECT], [(0, (4.0, 4.0, 30.0, 50.0))])
    before = sum(yolox_loss(raw, wanted).values())
    before.backward()
    stepped = raw._replace(**{n: getattr(raw, n) - 0.003 * getattr(raw, n).grad for n in raw._fields[:3]})
    assert sum(yolox_loss(stepped, wanted).values()) < before


def test_encoding_inverts_decoding():
    raw = random_raw()
    torch.testing.assert_close(
        encode_yolox_boxes(decode_yolox_boxes(raw), raw.cells, raw.strides), raw.boxes, rtol=1e-4, atol=1e-4
    )


def test_decoding_by_hand():
    raw = raw_outputs()
    raw.boxes[0, CELL] = torch.tensor([0.5, -0.25, math.log(2), 0.0])
    raw.objectness[0, CELL], raw.classes[0, CELL, 0] = math.log(3), -math.log(3)
    boxes, scores = decode_yolox(raw)
    # Centre (2 + .5, 2 - .25) * 16 = (40, 28), size (2, 1) * 16: 24..56 and 20..36.
    torch.testing.assert_close(boxes[0, CELL], torch.tensor([24.0, 20.0, 56.0, 36.0]))
    torch.testing.assert_close(scores[0, CELL], torch.tensor([0.75 * 0.25, 0.75 * 0.5]))


def test_cells_are_listed_level_after_level_row_by_row():
    cells, strides = cell_grid((Level(2, 3, 8), Level(1, 2, 16)), torch.device("cpu"))
    assert cells.tolist() == [[0, 0], [1, 0], [2, 0], [0, 1], [1, 1], [2, 1], [0, 0], [1, 0]]
    assert strides.tolist() == [8] * 6 + [16] * 2
