"""What was found, and the forms that other programs take."""

import contextlib
import io
import sys

import numpy as np
import pytest
from pycocotools.coco import COCO

from utils.data.detections import Detections

FOUND = Detections(
    np.array([[10, 20, 40, 80], [0, 0, 5.5, 4]], np.float32),
    np.array([0.75, 0.25], np.float32),
    np.array([1, 0]),
    best_score=0.75,
    best_label=1,
    candidates=9,
)
NAMES = ("鱼", "house")


def test_above():
    assert FOUND.above(0.5).boxes.tolist() == [[10, 20, 40, 80]]
    assert FOUND.above([0.25, 0.8]).labels.tolist() == [0]
    assert FOUND.above(0.9).best_score == 0.75


def test_labels_of_a_part_of_the_classes():
    assert FOUND.with_labels([3, 7]).labels.tolist() == [7, 3] and FOUND.with_labels([3, 7]).best_label == 7
    assert Detections.empty().with_labels([3]).best_label == -1


def test_coco_results():
    assert FOUND.to_coco(5) == [
        {"image_id": 5, "category_id": 2, "bbox": [10, 20, 30, 60], "score": 0.75},
        {"image_id": 5, "category_id": 1, "bbox": [0, 0, 5.5, 4], "score": 0.25},
    ]
    assert [entry["category_id"] for entry in FOUND.to_coco(5, [18, 44])] == [44, 18]
    assert Detections.empty().to_coco(1) == []
    truth = COCO()
    truth.dataset = {"images": [{"id": 5}], "annotations": [], "categories": [{"id": 1}, {"id": 2}]}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        read = truth.loadRes(FOUND.to_coco(5))
    assert [entry["area"] for entry in read.loadAnns(read.getAnnIds())] == [1800, 22]


def test_supervision():
    supervision = pytest.importorskip("supervision")
    found = FOUND.to_supervision(NAMES)
    assert isinstance(found, supervision.Detections) and len(found) == 2
    assert found.xyxy.tolist() == FOUND.boxes.tolist() and found.class_id.tolist() == [1, 0]
    assert found.confidence.tolist() == [0.75, 0.25] and found["class_name"].tolist() == ["house", "鱼"]
    assert len(Detections.empty().to_supervision(NAMES)) == 0


def test_without_supervision_the_message_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "supervision", None)
    with pytest.raises(ValueError, match="pip install supervision"):
        FOUND.to_supervision(NAMES)
