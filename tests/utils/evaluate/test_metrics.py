import json

import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, shifted
from utils.evaluate.evaluator import evaluate


@pytest.fixture
def metrics():
    """Class 0 found (.818), class 1 missed, class 2 without objects; one detection at .001."""
    truth = objects([[UNIT, (50, 0, 60, 10)]], labels=[[0, 1]], classes=3)
    return evaluate([found((shifted(1), 0.9, 0), ((90, 0, 99, 9), 0.001, 2))], truth)


def test_json_has_the_agreed_shape_and_no_nan(metrics):
    plain = json.loads(json.dumps(metrics.to_json(), allow_nan=False))
    assert plain["voc07_11point"] == {"map": 0.5, "per_class": {"class0": 1, "class1": 0, "class2": None}}
    assert plain["voc_area"]["map"] == 0.5
    coco = plain["coco"]
    assert (coco["map"], coco["map50"], coco["map75"]) == pytest.approx((0.35, 0.5, 0.5))
    assert coco["per_class"] == {"class0": pytest.approx(0.7), "class1": 0, "class2": None}
    assert coco["per_class_50"]["class0"] == 1
    assert coco["medium"] is None
    assert coco["per_class_small"] == coco["per_class"] and coco["per_class_large"]["class0"] is None
    assert {"small", "large", "ar1", "ar10", "ar100", "ar_small", "ar_medium", "ar_large"} <= set(coco)
    assert plain["recall"] == 0.5
    assert plain["precision"] == 1  # class 1 has no detection: its precision is not defined, its F1 is 0
    assert plain["per_class"]["class1"]["precision"] is None
    assert plain["f1"] == 0.5
    assert plain["best_f1_confidence"] == 0.9
    assert plain["per_class"]["class2"]["detections"] == 1
    assert plain["images"] == 1
    assert plain["log_average_miss_rate"]["per_class"]["class1"] == 1


def test_a_threshold_that_nothing_reaches_has_no_precision(metrics):
    truth = objects([[UNIT]])
    plain = evaluate([found((UNIT, 0.4))], truth, score_threshold=0.5).to_json()
    assert (plain["precision"], plain["recall"], plain["f1"]) == (None, 0, 0)


def test_table_names_every_figure(metrics):
    text = metrics.table()
    rows = {line[:50].strip(): line[50:].strip() for line in text.splitlines()[:20]}
    assert rows["VOC 2007 mAP, 11 points, IoU 0.50"] == "0.5000"
    assert rows["COCO AP    IoU .50 to .95"] == "0.3500"
    assert rows["COCO AP of medium objects"] == "-"
    assert rows["confidence of the best mean F1"] == "0.9000"
    assert "with scores from 0.0010: evaluation uses a low confidence threshold" in text
    assert "those at confidence 0.50" in text
    assert "excluded from all means: class2." in text
    assert "nan" not in text


def test_table_stays_aligned_with_chinese_names(metrics):
    rows = [line for line in metrics.table(["猫", "a long name", "狗"]).splitlines() if "    " in line][-4:]
    ends = [len(row) + sum(character in "猫狗" for character in row) for row in rows]
    assert len(set(ends)) == 1
    assert rows[1].startswith("猫")
