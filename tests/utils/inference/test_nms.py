"""What remains of overlapping boxes: by hand, and against a slow reading of the rule."""

import numpy as np
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nets.common.structures import Candidates
from utils.inference.nms import MAX_CANDIDATES, max_candidates, nms

# A is 10 x 10; B overlaps it by 8 x 10, IoU 80 / 120 = 2/3; C overlaps A by 5 x 10, IoU 50 / 150 = 1/3.
A, B, C, FAR = (0, 0, 10, 10), (2, 0, 12, 10), (5, 0, 15, 10), (50, 50, 60, 60)


def candidates_of(boxes, scores):
    return Candidates(torch.tensor([boxes], dtype=torch.float32), torch.tensor([scores], dtype=torch.float32))


def kept(boxes, scores, confidence=0.1, iou=0.5, most=100):
    """Boxes, scores and labels that remain of one image, as lists."""
    found = nms(candidates_of(boxes, scores), confidence, iou, most)[0]
    return [tuple(box) for box in found.boxes.int().tolist()], found.scores.tolist(), found.labels.tolist()


def test_the_better_of_two_remains():
    boxes, scores, labels = kept([A, B, FAR], [[0.5, 0], [0.75, 0], [0.25, 0]])
    assert boxes == [B, FAR] and scores == [0.75, 0.25] and labels == [0, 0]


def test_overlap_up_to_the_threshold_is_allowed():
    assert kept([A, B, C], [[0.9], [0.8], [0.7]], iou=0.7)[0] == [A, B, C]
    # B is gone, so it does not suppress C, which overlaps A by 1/3 only (and B by 7/13).
    assert kept([A, B, C], [[0.9], [0.8], [0.7]], iou=0.5)[0] == [A, C]
    assert kept([A, B, C], [[0.9], [0.8], [0.7]], iou=0.3)[0] == [A]
    half = (0, 0, 10, 5)  # IoU with A exactly 1/2
    assert kept([A, half], [[0.9], [0.8]], iou=0.5)[0] == [A, half]


def test_classes_do_not_suppress_each_other():
    boxes, _, labels = kept([A, A, A], [[0.9, 0], [0, 0.8], [0.7, 0]])
    assert boxes == [A, A] and labels == [0, 1]


def test_classes_do_so_where_they_are_not_told_apart():
    found = nms(candidates_of([A, B, C], [[0.9, 0], [0, 0.8], [0, 0.7]]), 0.1, 0.5, 10, agnostic=True)[0]
    assert found.boxes.tolist() == [[*map(float, A)], [*map(float, C)]] and found.labels.tolist() == [0, 1]


def test_no_candidate_at_all():
    (found,) = nms(Candidates(torch.zeros(1, 0, 4), torch.zeros(1, 0, 3)), 0.1, 0.5, 10)
    assert len(found.boxes) == 0 and (found.best_score, found.best_label) == (-1.0, -1)


def test_a_box_counts_for_its_best_class_alone():
    assert kept([A], [[0.6, 0.9, 0.8]])[1:] == ([pytest.approx(0.9)], [1])


def test_confidence_is_the_least_score_kept():
    boxes = [A, FAR]
    assert kept(boxes, [[0.5], [0.25]], confidence=0.25)[0] == [A, FAR]
    assert kept(boxes, [[0.5], [0.25]], confidence=0.26)[0] == [A]
    assert kept(boxes, [[0.5], [0.25]], confidence=0.75)[0] == []


def test_nothing_reaches_the_threshold_but_the_best_is_told():
    (found,) = nms(candidates_of([A, FAR], [[0.125, 0], [0, 0.25]]), 0.5, 0.5, 10)
    assert found.boxes.shape == (0, 4) and len(found.scores) == len(found.labels) == 0
    assert (found.best_score, found.best_label) == (0.25, 1)


def test_the_best_remain_where_there_are_too_many():
    far_apart = [(20 * k, 0, 20 * k + 10, 10) for k in range(5)]
    boxes, scores, _ = kept(far_apart, [[0.1], [0.5], [0.3], [0.4], [0.2]], most=2)
    assert boxes == [far_apart[1], far_apart[3]] and scores == pytest.approx([0.5, 0.4])


def test_ties_are_settled_by_the_order():
    assert kept([A, B], [[0.5], [0.5]])[0] == [A]
    assert kept([B, A], [[0.5], [0.5]])[0] == [B]
    many = [(20 * k, 0, 20 * k + 10, 10) for k in range(200)]
    assert kept(many, [[0.5]] * 200, most=200)[0] == many


def test_candidates_beyond_the_limit_are_the_worst():
    number = MAX_CANDIDATES + 50
    boxes = [(20 * k, 0, 20 * k + 10, 10) for k in range(number)]
    scores = [[0.1 + 0.8 * k / number] for k in range(number)]
    assert kept(boxes, scores, most=MAX_CANDIDATES // 3)[0] == boxes[: -1 - MAX_CANDIDATES // 3 : -1]
    assert kept(boxes, scores, most=10**6)[0] == boxes[::-1]


def test_more_candidates_where_more_detections_are_wanted():
    assert [max_candidates(most) for most in (1, 300, 333, 1000)] == [1000, 1000, 1000, 3000]


def test_what_is_left_out_is_told():
    def limited(boxes, most, confidence=0.1):
        return nms(candidates_of(boxes, [[0.5]] * len(boxes)), confidence, 0.5, most)[0].limited

    apart = [(20 * k, 0, 20 * k + 10, 10) for k in range(6)]
    assert limited(apart, 5) and not limited(apart, 6)
    assert not limited([A, B, FAR], 2)  # B is suppressed, so there are two
    assert limited([A] * (MAX_CANDIDATES + 1), 2)  # another object may be among those not looked at
    assert not limited(apart, 5, confidence=0.6)


def test_images_are_told_apart():
    both = Candidates(
        torch.tensor([[A, B], [A, FAR]], dtype=torch.float32), torch.tensor([[[0.9], [0.8]], [[0.1], [0.8]]])
    )
    first, second = nms(both, 0.05, 0.5, 10)
    assert first.boxes.tolist() == [[*map(float, A)]]
    assert second.boxes.tolist() == [[*map(float, FAR)], [*map(float, A)]]


@pytest.mark.parametrize("value", [-0.01, 1.01, float("nan"), 50])
def test_thresholds_beyond_0_to_1_are_refused(value):
    with pytest.raises(ValueError, match="--confidence is between 0 and 1"):
        nms(candidates_of([A], [[0.5]]), value, 0.5, 10)
    with pytest.raises(ValueError, match="--nms-iou is between 0 and 1"):
        nms(candidates_of([A], [[0.5]]), 0.5, value, 10)


def greedy(boxes, scores, labels, confidence, iou):
    """The rule, word by word: take the best, drop what overlaps it too much in its class, go on."""
    left = [k for k in np.argsort(-scores, kind="stable") if scores[k] >= confidence]
    taken = []
    while left:
        best, *left = left
        taken.append(best)
        left = [k for k in left if labels[k] != labels[best] or overlap(boxes[k], boxes[best]) <= iou]
    return taken


def overlap(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    both = max(width, 0) * max(height, 0)
    areas = ((box[2] - box[0]) * (box[3] - box[1]) for box in (a, b))
    return both / (sum(areas) - both)


ENTRY = st.tuples(
    st.integers(-40, 60),
    st.integers(-40, 60),
    st.integers(1, 60),
    st.integers(1, 60),
    st.integers(0, 7),
    st.integers(0, 2),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(ENTRY, min_size=1, max_size=25), st.sampled_from([0.31, 0.5, 0.67]))
@example([(50, 50, 10, 10, 5, 0), (-11, -11, 10, 10, 4, 1)], 0.5)  # a box beyond the border is no other class
def test_as_the_slow_reading_of_the_rule(entries, iou):
    x, y, width, height, score, label = np.array(entries).T
    boxes = np.stack([x, y, x + width, y + height], 1).astype(float)
    table = np.zeros((len(entries), 3))
    table[np.arange(len(entries)), label] = scores = score / 8 + 0.05
    expected = greedy(boxes, scores.astype(np.float32), label, np.float32(0.2), iou)
    (found,) = nms(candidates_of(boxes.tolist(), table.tolist()), 0.2, iou, 100)
    assert found.boxes.tolist() == boxes[expected].tolist()
    assert found.labels.tolist() == label[expected].tolist()
