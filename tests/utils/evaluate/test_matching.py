import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.evaluate import matching
from utils.evaluate.ground_truth import flatten_detections, rank_detections
from utils.evaluate.matching import match_coco, match_voc, overlapping_pairs


def voc(truth, *detections, min_overlap=0.5):
    """(correct, counted) of the detections in the order of their scores."""
    ranked = rank_detections(flatten_detections(detections), truth.num_images, len(truth.class_names))
    pairs = overlapping_pairs(ranked, truth, min_overlap)
    verdict = match_voc(pairs, truth.uncounted, len(ranked.scores), min_overlap)
    return verdict.correct.tolist(), verdict.counted.tolist()


def coco(truth, *detections, ignored=None):
    """At how many of the ten thresholds each detection is matched, and matched with an ignored object."""
    ranked = rank_detections(flatten_detections(detections), truth.num_images, len(truth.class_names))
    pairs = overlapping_pairs(ranked, truth, 0.5)
    ignored = truth.uncounted if ignored is None else np.array(ignored)
    return [[bin(bits).count("1") for bits in row] for row in match_coco(pairs, ranked, ignored, truth.crowd)]


def test_only_the_same_image_and_class_can_match():
    truth = objects([[UNIT], []], labels=[[1], []], classes=2)
    assert voc(truth, found((UNIT, 0.9, 0), (UNIT, 0.8, 1)), found((UNIT, 0.7, 1)))[0] == [False, True, False]


def test_voc_exactly_the_least_overlap_is_enough():
    # The lower half of the box: 50 / 100 = .5 exactly.
    assert voc(objects([[UNIT]]), found(((0, 0, 10, 5), 0.9)))[0] == [True]
    assert voc(objects([[UNIT]]), found(((0, 0, 10, 4.99), 0.9)))[0] == [False]


def test_voc_the_second_detection_of_an_object_is_false():
    assert voc(objects([[UNIT]]), found((shifted(1), 0.9), (UNIT, 0.8))) == ([True, False], [True, True])


def test_voc_a_taken_object_is_not_exchanged_for_the_next_best():
    # Both detections overlap the first object best. The second one overlaps the other object by
    # 70 / 130 = .54 too, and COCO gives it that object; VOC does not.
    truth = objects([[UNIT, shifted(4)]])
    detections = found((UNIT, 0.9), (shifted(1), 0.8))
    assert voc(truth, detections)[0] == [True, False]
    assert coco(truth, detections)[0] == [10, 1]


def test_voc_detections_of_a_difficult_object_count_neither_way():
    truth = objects([[UNIT, (50, 0, 60, 10)]], difficult=[[1, 0]])
    detections = found((UNIT, 0.9), (shifted(1), 0.8), ((90, 0, 100, 10), 0.7), ((50, 0, 60, 10), 0.6))
    assert voc(truth, detections) == ([False, False, False, True], [False, False, True, True])


def test_voc_of_equally_overlapped_objects_the_first_is_meant():
    assert voc(objects([[UNIT, UNIT]], difficult=[[1, 0]]), found((UNIT, 0.9)))[1] == [False]
    assert voc(objects([[UNIT, UNIT]], difficult=[[0, 1]]), found((UNIT, 0.9)))[0] == [True]


def test_coco_thresholds_reached():
    # 90 / 110 = .818 reaches .5 .55 .6 .65 .7 .75 .8; the lower half reaches exactly .5.
    assert coco(objects([[UNIT]]), found((shifted(1), 0.9))) == [[7], [0]]
    assert coco(objects([[UNIT]]), found(((0, 0, 10, 5), 0.9))) == [[1], [0]]


def test_coco_an_object_that_counts_goes_before_an_ignored_one():
    # The ignored object fits exactly; the one that counts (.818) is taken where the threshold allows it.
    truth = objects([[UNIT, shifted(1)]], difficult=[[1, 0]])
    assert coco(truth, found((UNIT, 0.9))) == [[10], [3]]


def test_coco_of_equal_overlaps_the_last_object_is_taken():
    # The first detection overlaps both objects by .818 and leaves the first object to the other detection,
    # which overlaps that one by 80 / 120 = .667 and the second object by 60 / 140 only.
    truth = objects([[shifted(-1), shifted(1)]])
    assert coco(truth, found((UNIT, 0.9), (shifted(-3), 0.8)))[0] == [7, 4]


def test_coco_a_crowd_is_never_used_up_and_measured_by_the_detection():
    # Each detection lies inside the crowd, though the crowd is four times as large.
    truth = objects([[(0, 0, 20, 20)]], crowd=[[1]])
    assert coco(truth, found((UNIT, 0.9), (UNIT, 0.8))) == [[10, 10], [10, 10]]


def test_coco_a_difficult_object_is_used_up():
    truth = objects([[UNIT]], difficult=[[1]])
    assert coco(truth, found((UNIT, 0.9), (UNIT, 0.8))) == [[10, 0], [10, 0]]


def test_coco_the_threshold_decides_who_takes_an_object():
    # The better-scored detection reaches .8 only, so from .85 on the object is free for the exact one.
    assert coco(objects([[UNIT]]), found((shifted(1), 0.9), (UNIT, 0.8)))[0] == [7, 3]


@pytest.mark.parametrize("seed", range(20))
def test_pairs_are_those_of_a_plain_loop(seed, monkeypatch):
    monkeypatch.setattr(matching, "_PAIRS_AT_ONCE", 5)  # many blocks
    truth, detections = random_case(np.random.default_rng(seed))
    ranked = rank_detections(flatten_detections(detections), truth.num_images, len(truth.class_names))
    expected = []
    for d, box in enumerate(ranked.boxes):
        for o, other in enumerate(truth.boxes):
            overlap = plain_iou(box, other)
            covered = plain_covered(box, other) if truth.crowd[o] else overlap
            same = (ranked.image_numbers[d], ranked.labels[d]) == (truth.image_numbers[o], truth.labels[o])
            if same and max(overlap, covered) >= 0.5:
                expected.append((d, o, overlap, covered))
    pairs = overlapping_pairs(ranked, truth, 0.5)
    assert [tuple(pair) for pair in zip(*(column.tolist() for column in pairs), strict=True)] == expected


def plain_intersection(a, b):
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return width * height if width > 0 and height > 0 else 0


def plain_iou(a, b):
    common = plain_intersection(a, b)
    if common == 0:
        return 0
    return common / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - common)


def plain_covered(a, b):
    common = plain_intersection(a, b)
    return common and common / ((a[2] - a[0]) * (a[3] - a[1]))
