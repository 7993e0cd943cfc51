"""How far apart two detectors are, by values worked out by hand."""

import pytest
import torch

from nets.common.structures import Candidates
from utils.export.difference import Agreement, Difference, largest_difference, nms_agreement
from utils.inference.nms import NMSResult

TOLERANCE = Difference(1.0, 0.01)
BOXES = torch.tensor([[[0, 0, 10, 10], [20, 20, 40, 40], [5, 50, 25, 60.0]]])
SCORES = torch.tensor([[[0.9, 0.1], [0.2, 0.6], [0.3, 0.0]]])
EXPECTED = Candidates(BOXES, SCORES)


def difference(found, size=(64, 64)):
    """To EXPECTED, which has to be the same the other way round."""
    there = largest_difference(EXPECTED, found, size, TOLERANCE)
    assert there == largest_difference(found, EXPECTED, size, TOLERANCE)
    return there


def test_the_same_is_no_difference():
    assert difference(EXPECTED) == (0, 0)
    assert difference(EXPECTED).within(TOLERANCE)


def test_the_largest_of_each():
    boxes, scores = BOXES.clone(), SCORES.clone()
    boxes[0, 1, 2] += 0.5
    boxes[0, 0, 0] += 0.25
    scores[0, 2, 0] -= 0.125
    assert difference(Candidates(boxes, scores)) == pytest.approx((0.5, 0.125))
    assert not difference(Candidates(boxes, scores)).within(TOLERANCE)


def test_the_order_of_candidates_does_not_count():
    order = [2, 0, 1]
    assert difference(Candidates(BOXES[:, order], SCORES[:, order])) == (0, 0)


def test_another_class_is_another_detection():
    one = Candidates(BOXES[:, :1], SCORES[:, :1])
    other = Candidates(BOXES[:, :1], SCORES[:, :1].flip(-1))
    assert largest_difference(one, other, (64, 64), TOLERANCE) == pytest.approx((0, 0.8))
    assert not difference(Candidates(BOXES, SCORES.flip(-1))).within(TOLERANCE)


def test_a_box_that_is_missing_is_seen_from_either_side():
    there = largest_difference(EXPECTED, Candidates(BOXES[:, :2], SCORES[:, :2]), (64, 64), TOLERANCE)
    back = largest_difference(Candidates(BOXES[:, :2], SCORES[:, :2]), EXPECTED, (64, 64), TOLERANCE)
    assert not there.within(TOLERANCE) and not back.within(TOLERANCE)


def test_beyond_the_border_nothing_counts():
    boxes = BOXES.clone()
    boxes[0, 1, 2:] = torch.tensor([1000.0, 2000.0])
    assert difference(Candidates(boxes, SCORES), size=(40, 40)) == (0, 0)
    assert difference(Candidates(boxes, SCORES), size=(45, 48)).box == 8


@pytest.mark.parametrize("part", [0, 1])
def test_what_is_no_number_is_as_far_as_can_be(part):
    values = [BOXES.clone(), SCORES.clone()]
    values[part][0, 0] = torch.nan
    found = largest_difference(EXPECTED, Candidates(*values), (64, 64), TOLERANCE)
    assert not found.within(Difference(1e9, 0.5))


def test_nms_agrees_where_boxes_scores_and_labels_do():
    labels = torch.tensor([0, 1])
    ours = NMSResult(BOXES[0, :2], torch.tensor([0.9, 0.6]), labels, 0.9, 0)
    padded = torch.cat((BOXES[:, :2], torch.zeros(1, 1, 4)), dim=1)
    scores, same = torch.tensor([[0.9, 0.6, 0]]), torch.tensor([[0, 1, -1]])
    assert nms_agreement([ours], padded, scores, same) == (2, 2)
    assert nms_agreement([ours], padded, scores, torch.tensor([[0, 0, -1]])) == (2, 1)
    assert nms_agreement([ours], padded, scores + 0.1, same) == (2, 0)
    assert nms_agreement([ours], padded + 0.1, scores, same) == (2, 0)
    assert nms_agreement([ours], padded, scores, torch.tensor([[0, -1, -1]])) == (2, 1)


def test_a_fiftieth_may_differ():
    assert Agreement(50, 49).close and not Agreement(50, 48).close and Agreement(0, 0).close
    assert Agreement(50, 49).plus(Agreement(3, 1)) == (53, 50)
