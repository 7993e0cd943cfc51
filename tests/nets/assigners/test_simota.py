"""SimOTA compared with a slow, plain implementation of the paper, and by hand."""

import math
from typing import NamedTuple

import numpy as np
import pytest
import torch

from nets.assigners.simota import simota
from nets.common.structures import Targets
from tests.nets.assigners.cells import CELLS, LEVELS, around_cells, cell_centres, random_object, slow_iou
from tests.nets.batches import targets


class Responsible(NamedTuple):
    """For each cell [B, A] whether it is positive, its object, and the IoU of its box with the object."""

    positive: torch.Tensor
    target: torch.Tensor
    iou: torch.Tensor


def by_cell(found):
    """Convert the pairs of an assignment to values of cells; no cell is won twice."""
    target, iou = torch.zeros(found.positive.shape, dtype=torch.int64), torch.zeros(found.positive.shape)
    times = torch.zeros(found.positive.shape, dtype=torch.int64)
    for image, pair in found.won.nonzero().tolist():
        cell = found.cell[image, pair]
        times[image, cell] += 1
        target[image, cell], iou[image, cell] = found.target[image, pair], found.iou[image, pair]
    assert torch.equal(times, found.positive.long())
    return Responsible(found.positive, target, iou)


def slow_cost(objectness, classes, label, iou):
    """BCE(sqrt(class * objectness), one-hot) + 3 * (-log IoU), with the logarithms cut at -100."""
    total = -3 * math.log(iou + 1e-8)
    for number, logit in enumerate(classes):
        probability = math.sqrt(1 / (1 + math.exp(-logit)) / (1 + math.exp(-objectness)))
        chance = probability if number == label else 1 - probability
        total -= max(math.log(chance), -100) if chance > 0 else -100
    return total


def slow_simota_of_one(boxes, objectness, classes, objects):
    """{cell: (object, IoU)} for one image; `objects` holds (number, label, box)."""
    claims = {}  # cell -> (cost, object, IoU)
    for number, label, box in objects:
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        candidates = []
        for cell, (cell_x, cell_y, stride) in enumerate(cell_centres()):
            if abs(cell_x - x) < 1.5 * stride and abs(cell_y - y) < 1.5 * stride:
                iou = slow_iou(boxes[cell], box)
                candidates.append((slow_cost(objectness[cell], classes[cell], label, iou), cell, iou))
        ious = sorted((iou for _, _, iou in candidates), reverse=True)
        for cost, cell, iou in sorted(candidates)[: max(1, math.floor(sum(ious[:10])))]:
            if cell not in claims or cost < claims[cell][0]:  # an equal cost leaves it to the first
                claims[cell] = (cost, number, iou)
    return {cell: (number, iou) for cell, (_, number, iou) in claims.items()}


def slow_simota(boxes, objectness, classes, wanted):
    positive = torch.zeros(objectness.shape, dtype=torch.bool)
    target = torch.zeros(objectness.shape, dtype=torch.int64)
    ious = torch.zeros(objectness.shape)
    for image in range(len(boxes)):
        objects = [
            (number, int(wanted.labels[image, number]), wanted.boxes[image, number].tolist())
            for number in range(wanted.valid.shape[1])
            if wanted.valid[image, number]
        ]
        predicted = (value[image].tolist() for value in (boxes, objectness, classes))
        for cell, (number, iou) in slow_simota_of_one(*predicted, objects).items():
            positive[image, cell], target[image, cell], ious[image, cell] = True, number, iou
    return Responsible(positive, target, ious)


def agree(boxes, objectness, classes, wanted):
    """Assert that both implementations agree; returns the number of positive cells."""
    fast = by_cell(simota(boxes, objectness, classes, LEVELS, wanted))
    slow = slow_simota(boxes, objectness, classes, wanted)
    assert torch.equal(fast.positive, slow.positive)
    assert torch.equal(fast.target, slow.target)
    torch.testing.assert_close(fast.iou, slow.iou, rtol=1e-4, atol=1e-5)
    return int(fast.positive.sum())


def random_logits(rng, batch):
    return (torch.tensor(rng.normal(-1, 2, shape)).float() for shape in ((batch, CELLS), (batch, CELLS, 4)))


@pytest.mark.parametrize("seed", range(12))
def test_random_images_agree_with_the_slow_reading(seed):
    rng = np.random.default_rng(seed)
    boxes, (objectness, classes) = around_cells(rng, 4, 0.4), random_logits(rng, 4)
    listed = [
        [(int(rng.integers(4)), random_object(rng)) for _ in range(number)]
        for number in (0, 1, int(rng.integers(2, 6)), int(rng.integers(10, 30)))
    ]
    assert agree(boxes, objectness, classes, targets(*listed, entries=int(rng.integers(1, 40)))) > 5


@pytest.mark.parametrize("seed", range(6))
def test_good_predictions_get_several_cells_and_settle_conflicts(seed):
    """Objects that neighbours predict well: k reaches beyond 1, and crowded objects claim the same cells."""
    rng = np.random.default_rng(seed)
    objectness, classes = random_logits(rng, 1)
    listed = [[(n % 4, (20.0 + 3 * n, 16.0 + n, 52.0 + 3 * n, 48.0 + n)) for n in range(6)]]
    boxes = (
        torch.tensor(listed[0][0][1]).expand(1, CELLS, 4)
        + torch.tensor(rng.normal(0, 4, (1, CELLS, 4))).float()
    )
    assert agree(boxes, objectness, classes, targets(*listed)) > 12


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 10, 10),
        (86, 54, 96, 64),
        (0, 60, 96, 64),
        (-20, -20, 4, 4),  # the centre lies outside, near enough to the corner
        (0, 0, 96, 64),
        (40.25, 30.25, 40.75, 30.75),  # half a pixel
        (-200, -200, 300, 300),
        (32, 32, 32, 32),  # no area
    ],
)
def test_objects_at_the_border_tiny_and_huge(box):
    rng = np.random.default_rng(0)
    boxes, (objectness, classes) = around_cells(rng, 1, 0.3), random_logits(rng, 1)
    assert agree(boxes, objectness, classes, targets([(1, box)])) >= 1


def test_objects_far_outside_get_no_cell():
    rng = np.random.default_rng(0)
    boxes, (objectness, classes) = around_cells(rng, 1, 0.3), random_logits(rng, 1)
    assert agree(boxes, objectness, classes, targets([(1, (300.0, 300.0, 340.0, 340.0))])) == 0


def test_of_identical_objects_the_first_keeps_the_cells():
    rng = np.random.default_rng(3)
    boxes, (objectness, classes) = around_cells(rng, 1, 0.3), random_logits(rng, 1)
    twice = targets([(2, (20.0, 12.0, 60.0, 50.0))] * 3)
    number = agree(boxes, objectness, classes, twice)
    assert number == agree(boxes, objectness, classes, targets([(2, (20.0, 12.0, 60.0, 50.0))]))
    assert not by_cell(simota(boxes, objectness, classes, LEVELS, twice)).target.any()


def test_of_identical_boxes_the_likelier_class_wins():
    boxes = around_cells(np.random.default_rng(3), 1, 0.3)
    objectness, classes = torch.zeros(1, CELLS), torch.tensor([0.0, 2.0, -2.0, 0.0]).expand(1, CELLS, 4)
    box = (20.0, 12.0, 60.0, 50.0)
    both = targets([(2, box), (1, box)])
    agree(boxes, objectness, classes, both)
    found = by_cell(simota(boxes, objectness, classes, LEVELS, both))
    assert found.positive.any() and (found.target[found.positive] == 1).all()


def test_padding_is_nobody():
    """Entries that are not valid must not matter, even if they hold a box."""
    rng = np.random.default_rng(5)
    boxes, (objectness, classes) = around_cells(rng, 1, 0.3), random_logits(rng, 1)
    alone = targets([(1, (10.0, 10.0, 40.0, 40.0))])
    padded = targets([(1, (10.0, 10.0, 40.0, 40.0)), (1, (10.0, 10.0, 40.0, 40.0))])
    padded = Targets(padded.boxes.flip(1), padded.labels, torch.tensor([[True, False]]))
    nothing = Targets(padded.boxes, padded.labels, torch.tensor([[False, False]]))
    expected = by_cell(simota(boxes, objectness, classes, LEVELS, alone))
    found = by_cell(simota(boxes, objectness, classes, LEVELS, padded))
    assert all(map(torch.equal, found, expected))
    assert expected.positive.any()
    found = simota(boxes, objectness, classes, LEVELS, nothing)
    assert not found.positive.any() and not found.won.any()


def test_candidates_by_hand():
    """An object centred on the corner of cells: the next but one centre is 1.5 strides off, which is too far.

    So 2 x 2 cells on each of three levels are candidates. All predict nearly the object's own box: ten IoUs a
    little below 1 sum to less than 10, so nine cells are chosen, and the three of the unlikelier class not.
    """
    box = (16.0, 16.0, 48.0, 48.0)  # centre (32, 32): a corner of cells at strides 8, 16 and 32
    boxes = torch.tensor(box).expand(1, CELLS, 4)
    classes = torch.zeros(1, CELLS, 4)
    fine = [row * 12 + column for row in (3, 4) for column in (3, 4)]
    middle = [96 + row * 6 + column for row in (1, 2) for column in (1, 2)]
    coarse = [120 + row * 3 + column for row in (0, 1) for column in (0, 1)]
    classes[0, fine[:3], 1] = -1.0
    found = by_cell(simota(boxes * 1.0001, torch.zeros(1, CELLS), classes, LEVELS, targets([(1, box)])))
    assert found.positive[0].nonzero().flatten().tolist() == [fine[3], *middle, *coarse]
    assert found.iou[0, coarse[0]].item() == pytest.approx(1, abs=1e-3)
