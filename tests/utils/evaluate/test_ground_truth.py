import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects
from utils.data.index import ImageRecord, build_index
from utils.evaluate.ground_truth import (
    GroundTruth,
    check_ground_truth,
    flatten_detections,
    position_in_run,
    rank_detections,
)


def test_the_index_becomes_flat_arrays():
    record = ImageRecord(
        "b.jpg",
        boxes=np.array([[0, 0, 4, 5], [1, 2, 3, 4]], np.float32),
        labels=np.array([1, 0], np.int32),
        difficult=np.array([True, False]),
        crowd=np.array([False, False]),
        areas=np.array([12, 4], np.float32),
    )
    truth = GroundTruth.from_index(build_index([ImageRecord("a.jpg"), record], ["cat", "dog"]))
    assert truth.num_images == 2
    assert truth.image_numbers.tolist() == [1, 1]
    assert truth.labels.tolist() == [1, 0]
    assert truth.areas.tolist() == [12, 4]
    assert truth.uncounted.tolist() == [True, False]
    assert truth.boxes.dtype == np.float64


def test_ranking_is_by_class_then_score_then_input():
    first = found((UNIT, 0.5, 1), (UNIT, 0.5, 0), (UNIT, 0.9, 1))
    second = found((UNIT, 0.5, 1), (UNIT, 0.7, 1))
    ranked = rank_detections(flatten_detections([first, second]), 2, 3)
    assert ranked.labels.tolist() == [0, 1, 1, 1, 1]
    assert ranked.scores.tolist() == [0.5, 0.9, 0.7, 0.5, 0.5]
    assert ranked.image_numbers.tolist() == [0, 0, 1, 0, 1]
    assert ranked.rank.tolist() == [0, 0, 0, 1, 1]  # within the image and class
    assert ranked.class_starts.tolist() == [0, 1, 5, 5]


def test_more_classes_than_a_short_integer_holds():
    ranked = rank_detections(
        flatten_detections([found((UNIT, 0.5, 69_999), (UNIT, 0.5, 300), (UNIT, 0.5, 65_537))]), 1, 70_000
    )
    assert ranked.labels.tolist() == [300, 65_537, 69_999]


def test_position_in_run():
    assert position_in_run(np.array([7, 3, 7, 7, 3])).tolist() == [0, 0, 1, 2, 1]
    assert position_in_run(np.zeros(0, np.int64)).tolist() == []


@pytest.mark.parametrize(
    ("detection", "complaint"),
    [
        ((UNIT, float("nan"), 0), "score that is not a finite number"),
        (((0, 0, float("inf"), 1), 0.5, 0), "coordinate that is not a finite number"),
        ((UNIT, 0.5, 2), "label outside the 2 classes"),
        ((UNIT, 0.5, -1), "label outside the 2 classes"),
    ],
)
def test_bad_detections_are_refused_by_image(detection, complaint):
    with pytest.raises(ValueError, match=f"image number 1 .*{complaint}"):
        rank_detections(flatten_detections([found((UNIT, 0.5, 0)), found(detection)]), 2, 2)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [({"labels": [[3]]}, "outside its 1 classes"), ({"images": [[(0, 0, float("nan"), 1)]]}, "finite")],
)
def test_bad_ground_truth_is_refused(change, complaint):
    with pytest.raises(ValueError, match=complaint):
        check_ground_truth(objects(**({"images": [[UNIT]]} | change)))
