"""Task-aligned assignment compared with a slow, plain implementation of the paper, and by hand."""

import math

import numpy as np
import pytest
import torch

from nets.assigners.task_aligned import AlignedCells, align_tasks
from nets.common.structures import Targets
from tests.nets.assigners.cells import CELLS, around_cells, cell_centres, random_object, slow_iou
from tests.nets.batches import targets

FINEST = 8
CENTRES = torch.tensor([(x, y) for x, y, _ in cell_centres()])


def slow_tal_of_one(boxes, classes, objects):
    """{cell: (object, score)} for one image; `objects` holds (number, label, box)."""
    claims = {}  # cell -> (IoU, object, alignment)
    for number, label, box in objects:
        reach = [max(box[2] - box[0], FINEST) / 2, max(box[3] - box[1], FINEST) / 2]
        x, y = (box[0] + box[2]) / 2, (box[1] + box[3]) / 2
        candidates = []
        for cell, (cell_x, cell_y, _) in enumerate(cell_centres()):
            if abs(cell_x - x) <= reach[0] and abs(cell_y - y) <= reach[1]:
                iou = slow_iou(boxes[cell], box)
                score = 1 / (1 + math.exp(-classes[cell][label]))
                candidates.append((score**0.5 * max(iou, 1e-9) ** 6, cell, iou))
        for alignment, cell, iou in sorted(candidates, reverse=True)[:10]:
            if cell not in claims or iou > claims[cell][0]:  # an equal IoU leaves it to the first
                claims[cell] = (iou, number, alignment)
    found = {}
    for number, _, _ in objects:
        won = {cell: claim for cell, claim in claims.items() if claim[1] == number}
        best_iou = max((iou for iou, _, _ in won.values()), default=0)
        best = max((alignment for _, _, alignment in won.values()), default=1)
        found |= {cell: (number, alignment / best * best_iou) for cell, (_, _, alignment) in won.items()}
    return found


def slow_tal(boxes, classes, wanted):
    positive = torch.zeros(boxes.shape[:2], dtype=torch.bool)
    target = torch.zeros(boxes.shape[:2], dtype=torch.int64)
    scores = torch.zeros(boxes.shape[:2])
    for image in range(len(boxes)):
        objects = [
            (number, int(wanted.labels[image, number]), wanted.boxes[image, number].tolist())
            for number in range(wanted.valid.shape[1])
            if wanted.valid[image, number]
        ]
        found = slow_tal_of_one(boxes[image].tolist(), classes[image].tolist(), objects)
        for cell, (number, score) in found.items():
            positive[image, cell], target[image, cell], scores[image, cell] = True, number, score
    return AlignedCells(positive, target, scores)


def align(boxes, classes, wanted):
    return align_tasks(boxes, classes, CENTRES, FINEST, wanted)


def agree(boxes, classes, wanted):
    """Assert that both implementations agree; returns the assignment."""
    fast, slow = align(boxes, classes, wanted), slow_tal(boxes, classes, wanted)
    assert torch.equal(fast.positive, slow.positive)
    assert torch.equal(fast.target, slow.target)
    torch.testing.assert_close(fast.score, slow.score, rtol=1e-3, atol=1e-6)
    return fast


def random_classes(rng, batch):
    return torch.tensor(rng.normal(-1, 2, (batch, CELLS, 4))).float()


@pytest.mark.parametrize("seed", range(12))
def test_random_images_agree_with_the_slow_reading(seed):
    """Also without objects, and with more objects than are compared at once."""
    rng = np.random.default_rng(seed)
    listed = [
        [(int(rng.integers(4)), random_object(rng)) for _ in range(number)]
        for number in (0, 1, int(rng.integers(2, 6)), int(rng.integers(18, 40)))
    ]
    wanted = targets(*listed, entries=int(rng.integers(1, 40)))
    found = agree(around_cells(rng, 4, 0.4), random_classes(rng, 4), wanted)
    assert not found.positive[0].any() and found.positive.sum() > 20
    assert (found.score[found.positive] >= 0).all() and not found.score[~found.positive].any()


@pytest.mark.parametrize("seed", range(4))
def test_crowded_objects_settle_conflicts(seed):
    rng = np.random.default_rng(seed)
    listed = [(n % 4, (20.0 + 3 * n, 16.0 + n, 52.0 + 3 * n, 48.0 + n)) for n in range(6)]
    noise = torch.tensor(rng.normal(0, 4, (1, CELLS, 4))).float()
    found = agree(torch.tensor(listed[0][1]) + noise, random_classes(rng, 1), targets(listed))
    assert 10 < found.positive.sum() < 60, "they share candidates"


@pytest.mark.parametrize(
    "box",
    [
        (0, 0, 10, 10),
        (86, 54, 96, 64),
        (0, 0, 96, 64),
        (-200, -200, 300, 300),
        (40.25, 30.25, 40.75, 30.75),  # half a pixel, between the cells' centres
        (32, 32, 32, 32),  # no area, on a corner of cells
        (0, 20, 96, 21),  # a line that no centre lies on
        (94, 62, 95, 63),
    ],
)
def test_every_object_gets_a_cell_whatever_its_size(box):
    rng = np.random.default_rng(0)
    assert agree(around_cells(rng, 1, 0.3), random_classes(rng, 1), targets([(1, box)])).positive.any()


def test_an_object_outside_gets_none():
    rng = np.random.default_rng(0)
    wanted = targets([(1, (-30.0, 10.0, -10.0, 50.0))])
    assert not agree(around_cells(rng, 1, 0.3), random_classes(rng, 1), wanted).positive.any()


def test_of_identical_objects_the_first_keeps_the_cells():
    rng = np.random.default_rng(3)
    boxes, classes = around_cells(rng, 1, 0.3), random_classes(rng, 1)
    box = (20.0, 12.0, 60.0, 50.0)
    once, twice = targets([(2, box)]), targets([(2, box)] * 3)
    assert all(map(torch.equal, agree(boxes, classes, twice), agree(boxes, classes, once)))


def test_padding_is_nobody():
    """Entries that are not valid must not matter, even if they hold a box."""
    rng = np.random.default_rng(5)
    boxes, classes = around_cells(rng, 1, 0.3), random_classes(rng, 1)
    alone = targets([(1, (10.0, 10.0, 40.0, 40.0))])
    padded = targets([(1, (10.0, 10.0, 40.0, 40.0)), (1, (11.0, 10.0, 40.0, 40.0))])
    first = Targets(padded.boxes, padded.labels, torch.tensor([[True, False]]))
    nothing = Targets(padded.boxes, padded.labels, torch.tensor([[False, False]]))
    expected = align(boxes, classes, alone)
    assert expected.positive.any()
    assert all(map(torch.equal, align(boxes, classes, first), expected))
    assert not any(value.any() for value in align(boxes, classes, nothing))


def test_scores_by_hand():
    """Four candidates of a 16 x 16 object, whose boxes overlap it by 1, 1/2, 1/4 and 1/2.

    Alignment is score^.5 * IoU^6. The best is the first's: sqrt(1/4) * 1. The others are at sqrt(1/4) / 64,
    sqrt(1/4) / 4096 and, with the score 1/16, sqrt(1/16) / 64: by the best and times its IoU of 1, 1/64,
    1/4096 and 1/128.
    """
    boxes = torch.tensor([[(0, 0, 16, 16), (0, 0, 16, 8), (0, 0, 8, 8), (0, 0, 8, 16)]]).float()
    logits = [math.log(1 / 3), math.log(1 / 3), math.log(1 / 3), math.log(1 / 15)]
    centres = torch.tensor([(4.0, 4.0), (12.0, 4.0), (4.0, 12.0), (12.0, 12.0)])
    classes = torch.tensor(logits).view(1, 4, 1)
    found = align_tasks(boxes, classes, centres, 8, targets([(0, (0.0, 0.0, 16.0, 16.0))]))
    torch.testing.assert_close(found.score, torch.tensor([[1, 1 / 64, 1 / 4096, 1 / 128]]), rtol=1e-4, atol=0)

    # Where the best box covers half of the object, all of it is halved: scores reflect how well boxes fit.
    boxes[0, 0] = torch.tensor([0.0, 8.0, 16.0, 16.0])
    found = align_tasks(boxes, classes, centres, 8, targets([(0, (0.0, 0.0, 16.0, 16.0))]))
    torch.testing.assert_close(found.score, torch.tensor([[1, 1, 1 / 64, 1 / 2]]) / 2, rtol=1e-4, atol=0)


def test_a_cell_goes_to_the_object_that_its_box_fits_better():
    """Whatever the scores are. The other object keeps its second best cell, which counts as its best."""
    first, second = (0.0, 0.0, 16.0, 16.0), (0.0, 0.0, 16.0, 12.0)
    boxes = torch.tensor([[(0, 0, 16, 15), (0, 0, 16, 8)]]).float()  # IoU 15/16 and 1/2; 12/15 and 2/3
    classes = torch.tensor([[(-9.0, 9.0), (0.0, 0.0)]])
    centres = torch.tensor([(4.0, 4.0), (12.0, 4.0)])
    found = align_tasks(boxes, classes, centres, 8, targets([(0, first), (1, second)]))
    assert found.positive.all() and found.target.tolist() == [[0, 1]]
    torch.testing.assert_close(found.score, torch.tensor([[15 / 16, 2 / 3]]))


def test_ten_of_many_candidates_that_are_all_alike():
    box = torch.tensor((10.0, 10.0, 58.0, 58.0))
    found = align(box.expand(1, CELLS, 4), torch.zeros(1, CELLS, 4), targets([(1, box.tolist())]))
    assert found.positive.sum() == 10
    inside = ((CENTRES > 10) & (CENTRES < 58)).all(dim=1)
    assert inside[found.positive[0]].all()
    torch.testing.assert_close(found.score[found.positive], torch.ones(10))


def test_a_small_object_in_a_large_box_loses_nothing_to_rounding():
    """IoU 1/2500 to the power of 6 is 4e-21, which an epsilon of 1e-9 in the division would make 0."""
    boxes = torch.tensor((0.0, 0.0, 100.0, 100.0)).expand(1, CELLS, 4)
    found = align(boxes, torch.full((1, CELLS, 1), -9.0), targets([(0, (42.5, 42.5, 44.5, 44.5))]))
    assert found.positive.sum() == 2  # centres at 44 and 40; the next are at 36 and 48
    torch.testing.assert_close(found.score[found.positive], torch.full((2,), 1 / 2500))
