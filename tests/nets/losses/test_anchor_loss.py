"""The losses of YOLOv3 and YOLOv4 by hand, and label assignment compared with a plain implementation."""

import math

import numpy as np
import pytest
import torch

from nets.heads.anchor_head import decode_anchor_boxes
from nets.losses.anchor_loss import MIN_SIZE_IOU, anchor_loss, assign_anchors, best_iou, runaway_penalty
from nets.losses.common import LossSettings
from tests.nets.batches import targets
from tests.nets.raw_outputs import ANCHOR_LEVELS, ANCHORS, SIZES, anchor_index, anchor_raw

LN2 = math.log(2)


def losses(raw, *objects, **settings):
    found = anchor_loss(raw, targets(*objects), LossSettings(**settings))
    return {name: loss.item() for name, loss in found.items()}


def test_a_perfect_box():
    """An object as large as the second anchor of stride 16, in the centre of a cell.

    That anchor's overlap is 1, the first's 64 / 384 = .17, the third's 384 / 1024 = .375: it fits too, in the
    cell (1, 0) of stride 32, and proposes 32 x 32 pixels around (16, 48).
    """
    objects = [(1, (16.0, 28.0, 32.0, 52.0))]  # centre (24, 40): column 1, row 2
    found = assign_anchors(anchor_raw(), targets(objects))
    assert found.positive[0].nonzero().flatten().tolist() == [
        anchor_index(0, 2, 1, 1),
        anchor_index(1, 1, 0, 0),
    ]
    loss = losses(anchor_raw(), objects, box_loss="iou")
    # The third's box 0..32, 32..64 shares 16 x 20 pixels of 384 + 1024 - 320.
    assert loss["box"] == pytest.approx(5 * (1 - 320 / 1088) / 2, rel=1e-5)
    assert loss["class"] == pytest.approx(2 * LN2, rel=1e-5)  # ln 2 for each of two classes
    assert loss["objectness"] == pytest.approx(ANCHORS * LN2 / 2, rel=1e-5)


def test_boxes_that_overlap_an_object_well_are_no_mistakes():
    """A negative sample whose box is the object's has no objectness loss."""
    raw = anchor_raw()
    neighbour = anchor_index(0, 2, 2, 1)  # its centre is 16 pixels to the right
    raw.boxes[0, neighbour, 0] = -50.0  # sigmoid 0: 8 pixels back; then the cell's border
    objects = [(1, (24.0, 28.0, 40.0, 52.0))]  # centre (32, 40), just in column 2
    assert anchor_index(0, 2, 2, 1) in assign_anchors(raw, targets(objects)).positive[0].nonzero()
    other = anchor_index(0, 2, 1, 1)
    raw.boxes[0, other, 0] = 50.0  # the cell before, at its right border: the same box
    overlap = best_iou(decode_anchor_boxes(raw), targets(objects))[0]
    assert overlap[other] > 0.99 and overlap[neighbour] > 0.99
    without = anchor_loss(raw, targets(objects), LossSettings())["objectness"]
    raw.objectness[0, other] = 9.0  # it may say what it likes
    assert anchor_loss(raw, targets(objects), LossSettings())["objectness"] == without


def plain_assignment(objects):
    """Assign one object after the other: {anchor: object}."""
    claims = {}
    for index, (_, box) in enumerate(objects):
        x1, y1, x2, y2 = box
        width, height = x2 - x1, y2 - y1
        overlaps = {}
        for level, (rows, columns, stride) in enumerate(ANCHOR_LEVELS):
            column = min(max(math.floor((x1 + width / 2) / stride), 0), columns - 1)
            row = min(max(math.floor((y1 + height / 2) / stride), 0), rows - 1)
            for anchor, (w, h) in enumerate(SIZES[level]):
                common = min(w, width) * min(h, height)
                overlaps[anchor_index(level, row, column, anchor)] = common / (
                    w * h + width * height - common
                )
        best = max(overlaps, key=overlaps.get)
        for at, overlap in overlaps.items():
            if at == best or overlap > MIN_SIZE_IOU:
                claims.setdefault(at, []).append((overlap, index))
    return {at: max(c, key=lambda pair: (pair[0], -pair[1]))[1] for at, c in claims.items()}


@pytest.mark.parametrize("seed", range(20))
def test_assignment_is_the_plain_one(seed):
    random = np.random.default_rng(seed)
    batch = []
    for count in (random.integers(1, 9), 0, random.integers(1, 4)):
        corner = random.uniform(0, 50, (count, 2))
        size = random.choice([2.0, 8.0, 16.0, 30.0, 70.0], (count, 2))
        batch.append([(0, (x, y, x + w, y + h)) for (x, y), (w, h) in zip(corner, size, strict=True)])
    found = assign_anchors(anchor_raw(batch=3), targets(*batch))
    for image, objects in enumerate(batch):
        at = found.positive[image].nonzero().flatten().tolist()
        assert {n: found.target[image, n].item() for n in at} == plain_assignment(objects)
        assert not found.target[image][~found.positive[image]].any()


def test_of_two_equal_objects_the_first_is_found():
    twice = [(0, (16.0, 28.0, 32.0, 52.0)), (1, (16.0, 28.0, 32.0, 52.0))]
    found = assign_anchors(anchor_raw(), targets(twice))
    assert not found.target.any() and found.positive.any()


@pytest.mark.parametrize(
    "box",
    [(10.0, 10.0, 10.0, 10.0), (0.0, 0.0, 64.0, 64.0), (-90.0, -90.0, 90.0, 90.0), (60.0, 60.0, 64.0, 64.0)],
    ids=["no area", "all", "beyond", "corner"],
)
def test_odd_boxes_give_finite_losses_and_gradients(box):
    raw = anchor_raw(batch=2)
    raw = raw._replace(boxes=raw.boxes.clone().requires_grad_(), classes=raw.classes.requires_grad_())
    found = anchor_loss(raw, targets([(0, box)], [(1, box), (1, box)]), LossSettings())
    sum(found.values()).backward()
    assert all(loss.isfinite() for loss in found.values())
    assert raw.boxes.grad.isfinite().all() and raw.classes.grad.isfinite().all()


def test_many_objects_are_compared_with_all_boxes():
    """Also more objects than are compared at once."""
    objects = [(0, (float(n), 0.0, n + 8.0, 8.0)) for n in range(40)]
    boxes = torch.tensor([[[39.0, 0, 47, 8], [0, 0, 8, 8], [20.0, 0, 28, 4], [0, 50, 8, 60]]])
    assert best_iou(boxes, targets(objects))[0].tolist() == pytest.approx([1, 1, 0.5, 0])


@pytest.mark.parametrize("size", [-9.0, 6.0, 9.0])
def test_a_box_that_ran_away_comes_back(size):
    """Its IoU has no gradient: the penalty has one, and is 0 for plausible sizes."""
    at = anchor_index(0, 2, 1, 1)
    gradients = []
    for log_size in (size, 0.1):
        raw = anchor_raw()
        codes = raw.boxes.clone()
        codes[0, at, 2:] = log_size
        raw = raw._replace(boxes=codes.requires_grad_())
        anchor_loss(raw, targets([(1, (16.0, 28.0, 32.0, 52.0))]), LossSettings())["box"].backward()
        gradients.append(codes.grad[0, at, 2:])
    assert (gradients[0].sign() == math.copysign(1, size)).all() and (gradients[0].abs() > 1).all()
    assert runaway_penalty(torch.tensor([[[0.0, 0.0, 4.0, -4.0], [99.0, 9.0, -5.0, 6.5]]])).tolist() == [
        [0.0, 3.5]
    ]
