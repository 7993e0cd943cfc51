"""The losses of the DFL head by hand."""

import math

import pytest
import torch

from nets.heads.dfl_head import BINS, decode_dfl_boxes
from nets.losses.common import LossSettings
from nets.losses.dfl_loss import dfl_loss, distribution_loss, encode_dfl_boxes
from tests.nets.batches import odd_boxes, targets
from tests.nets.raw_outputs import CELLS, DFL_CELL, IMPOSSIBLE, dfl_raw, randomised

CELL = DFL_CELL  # its centre is at (24, 40)
LN2 = math.log(2)


# 1.5 strides of 16 pixels from (24, 40) on. The points of the other cells do not overlap it.
OBJECT = (1, (0.0, 16.0, 48.0, 64.0))


def found(raw, *objects, **settings):
    losses = dfl_loss(raw, targets(*objects), LossSettings(**settings))
    return {name: loss.item() for name, loss in losses.items()}


def test_encoding_inverts_decoding():
    raw = randomised(dfl_raw(2, 3), fields=2)
    bins = torch.arange(BINS).float()
    distances = (raw.distances.softmax(dim=-1) * bins).sum(dim=-1)
    torch.testing.assert_close(encode_dfl_boxes(decode_dfl_boxes(raw), raw), distances, rtol=1e-4, atol=1e-4)
    beyond = torch.tensor([-9000.0, 50, 9000, 9000]).expand(2, CELLS, 4)  # the top lies below the centre
    assert encode_dfl_boxes(beyond, raw)[0, CELL].tolist() == [15, 0, 15, 15]


@pytest.mark.parametrize(
    ("distance", "expected"),
    [
        (0.0, -math.log(0.1)),
        (1.0, -math.log(0.2)),
        (1.25, -0.75 * math.log(0.2) - 0.25 * math.log(0.4)),  # nearer to 1, which has three times the weight
        (14.5, -0.5 * math.log(0.1) - 0.5 * math.log(0.2)),
        (15.0, -math.log(0.2)),
    ],
)
def test_a_distribution_against_the_two_bins_beside_the_distance(distance, expected):
    logits = torch.full((BINS,), IMPOSSIBLE)
    logits[torch.tensor([0, 1, 2, 14, 15])] = torch.tensor([0.1, 0.2, 0.4, 0.1, 0.2]).log()
    loss = distribution_loss(logits.expand(1, 1, BINS), torch.tensor([[distance]]))
    assert loss.item() == pytest.approx(expected, rel=1e-5)


def test_a_perfect_box():
    losses = found(dfl_raw(), [OBJECT])
    # One cell with the target score 1. A probability of 1/2 costs ln 2 for either target, for each cell and
    # class; for 1.5, bins 1 and 2 have a target of 1/2 each, and a probability of 1/2 each.
    expected = {"box": 0, "class": 0.5 * 2 * CELLS * LN2, "dfl": 1.5 * LN2}
    assert losses == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_half_the_height_and_a_surer_class():
    raw = dfl_raw()
    raw.distances[0, CELL, 1] = torch.tensor([0.0, *[IMPOSSIBLE] * (BINS - 1)])  # the top at the centre
    raw.classes[0, CELL, 1] = math.log(3)  # probability 3/4
    losses = found(raw, [OBJECT], box_loss="iou")
    # IoU 1/2, so the target score is 1/2, and the sum of them is taken as 1. Of four distances, that to the
    # top should be 1.5, and costs 100: bins 1 and 2 have a logit of -100.
    expected = {
        "box": 7.5 * 0.5 * (1 - 0.5),
        "class": 0.5 * ((2 * CELLS - 1) * LN2 - 0.5 * math.log(0.75) - 0.5 * math.log(0.25)),
        "dfl": 1.5 * 0.5 * (3 * LN2 + 100) / 4,
    }
    assert losses == pytest.approx(expected, rel=1e-4)
    # CIoU adds the centres' distance (12 px up to the enclosing box's diagonal of 48 * sqrt 2) and the aspect
    # ratio's: atan(1) - atan(2).
    difference = 4 / math.pi**2 * (math.atan(1) - math.atan(2)) ** 2
    ciou = 0.5 - 12**2 / (2 * 48**2) - difference**2 / (0.5 + difference)
    assert found(raw, [OBJECT])["box"] == pytest.approx(7.5 * 0.5 * (1 - ciou), rel=1e-4)


def test_sums_are_divided_by_the_target_scores_of_the_whole_batch():
    losses = found(dfl_raw(batch=3), [OBJECT], [OBJECT], [])  # two cells of score 1, one empty image
    expected = {"box": 0, "class": 0.5 * 3 * 2 * CELLS * LN2 / 2, "dfl": 1.5 * LN2}
    assert losses == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_smoothing_moves_the_classes_of_positives_alone():
    raw = dfl_raw()
    raw.classes[:] = -math.log(3)  # probability 1/4
    quiet = -(2 * CELLS - 2) * math.log(0.75)  # all others should be 0, smoothing or not
    hit, miss = -math.log(0.25), -math.log(0.75)
    plain = 0.5 * (quiet + hit + miss)
    assert found(raw, [OBJECT])["class"] == pytest.approx(plain, rel=1e-4)
    smooth = 0.5 * (quiet + (0.9 * hit + 0.1 * miss) + (0.1 * hit + 0.9 * miss))
    assert found(raw, [OBJECT], label_smoothing=0.2)["class"] == pytest.approx(smooth, rel=1e-4)


def test_focal_makes_the_many_easy_cells_count_less():
    raw = dfl_raw()
    raw.classes[:] = -math.log(3)
    # |target - probability|^2 of the cross-entropy, times 1/4 for positives, 3/4 for negatives.
    quiet = 0.75 * 0.25**2 * -(2 * CELLS - 1) * math.log(0.75)
    expected = 0.5 * (quiet + 0.25 * 0.75**2 * -math.log(0.25))
    assert found(raw, [OBJECT], focal=True)["class"] == pytest.approx(expected, rel=1e-4)


def test_without_objects_only_classes_are_left():
    expected = {"box": 0, "class": 0.5 * 2 * 2 * CELLS * LN2, "dfl": 0}
    assert found(dfl_raw(batch=2), [], []) == pytest.approx(expected, rel=1e-5)
    raw = randomised(dfl_raw(2, 3), fields=2)
    sum(dfl_loss(raw, targets([], []), LossSettings()).values()).backward()
    assert not raw.distances.grad.any() and (raw.classes.grad > 0).all()


def test_padding_and_order_do_not_matter():
    objects = [(0, (3.0, 5.0, 20.0, 31.0)), (2, (30.0, 22.0, 61.0, 60.0)), (1, (40.0, 2.0, 47.0, 9.0))]
    expected = found(randomised(dfl_raw(2, 3), fields=2), objects, objects[:1])
    padded = dfl_loss(
        randomised(dfl_raw(2, 3), fields=2), targets(objects, objects[:1], entries=40), LossSettings()
    )
    assert {name: loss.item() for name, loss in padded.items()} == pytest.approx(expected, rel=1e-5)
    assert found(randomised(dfl_raw(2, 3), fields=2), objects[::-1], objects[:1]) == pytest.approx(
        expected, rel=1e-5
    )
    assert found(randomised(dfl_raw(2, 3), fields=2), objects[1:], objects[:1]) != pytest.approx(
        expected, rel=1e-2
    )


@odd_boxes
def test_odd_boxes_give_finite_losses_and_gradients(box):
    raw = randomised(dfl_raw(2, 3), fields=2)
    losses = dfl_loss(raw, targets([(0, box)], [(1, box), (1, box)]), LossSettings())
    sum(losses.values()).backward()
    assert all(loss.isfinite() for loss in losses.values())
    assert all(value.grad.isfinite().all() for value in raw[:2])


def test_a_step_against_the_gradient_lowers_the_loss():
    raw = randomised(dfl_raw(2, 3), fields=2)
    wanted = targets([OBJECT], [(0, (4.0, 4.0, 30.0, 50.0))])
    before = sum(dfl_loss(raw, wanted, LossSettings()).values())
    before.backward()
    stepped = raw._replace(**{n: getattr(raw, n) - 0.003 * getattr(raw, n).grad for n in raw._fields[:2]})
    assert sum(dfl_loss(stepped, wanted, LossSettings()).values()) < before
