import json

import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.analysis.analyse import analyse
from utils.analysis.tide import KINDS
from utils.data.detections import Detections
from utils.evaluate.evaluator import match_detections

OTHER, FAR = (50, 0, 60, 10), (500, 500, 510, 510)


@pytest.fixture
def analysis():
    """On each of ten images a cup that is found, a fish taken for a cup, and a find of nothing."""
    truth = objects([[UNIT, OTHER]] * 10, labels=[[0, 1]] * 10, classes=2)
    detections = [found((UNIT, 0.9, 0), (OTHER, 0.8, 0), (FAR, 0.7, 0))] * 10
    return analyse(match_detections(detections, truth), 0.5, resamples=50)


def test_text_says_the_most_important(analysis):
    text = analysis.text(["cup", "鱼"])
    assert "mAP50-95 0.5000 (0.5000 to 0.5000), mAP50 0.5000 (0.5000 to 0.5000)" in text
    assert "95 % confidence intervals (bootstrap, 50 resamples)" in text
    assert "class 0.500 (10)" in text and "background 0.000 (10)" in text
    assert "most confused classes at confidence 0.50: 鱼 detected as cup (10)" in text
    assert "cup detected as 鱼" not in text
    # Scores .9, .8, .7 are correct in 1, 0, 0 of 1.
    assert f"expected calibration error {(0.1 + 0.8 + 0.7) / 3:.4f}" in text


def test_json_is_plain_and_whole(analysis):
    plain = json.loads(json.dumps(analysis.to_json(["cup", "鱼"]), allow_nan=False))
    assert plain["confusion"]["classes"] == ["cup", "鱼", "background"]
    assert plain["confusion"]["matrix"] == [[10, 0, 0], [10, 0, 0], [10, 0, 0]]
    assert [*plain["errors"]] == list(KINDS)
    assert plain["errors"]["class"]["number"] == 10
    assert plain["errors"]["class"]["per_class"]["鱼"] == {"number": 0, "ap_cost": 1}
    assert plain["intervals"]["map50"] == {"value": 0.5, "low": 0.5, "high": 0.5}
    assert plain["calibration"]["number"] == [0] * 7 + [10, 10, 10]
    first = plain["suspects"][0]
    assert (first["kind"], first["label"], first["suggested"], first["score"]) == ("class", "鱼", "cup", 0.8)


def test_a_label_with_nothing_there_suggests_no_class():
    detections = [found((UNIT, 0.9))] * 100 + [Detections.empty()]
    analysis = analyse(match_detections(detections, objects([[UNIT]] * 101)), 0.5, resamples=0)
    (suspect,) = analysis.to_json(["cup"])["suspects"]
    assert (suspect["kind"], suspect["label"], suspect["suggested"]) == ("nothing there", "cup", None)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truth", [objects([]), objects([[]]), objects([[UNIT]]), objects([[]], classes=0)])
def test_nothing_found(truth):
    analysis = analyse(match_detections([Detections.empty()] * truth.num_images, truth), 0.5, resamples=10)
    assert json.dumps(analysis.to_json(truth.class_names), allow_nan=False)
    assert "calibration error" in analysis.text(truth.class_names)


def test_without_resamples_there_are_no_intervals():
    matched = match_detections([found((shifted(1), 0.5))], objects([[UNIT]]))
    analysis = analyse(matched, 0.5, resamples=0)
    assert analysis.intervals == {} and "interval" not in analysis.text(["a"])


def test_the_same_seed_gives_the_same():
    truth, detections = random_case(np.random.default_rng(4))
    matched = match_detections(detections, truth)
    texts = [json.dumps(analyse(matched, 0.5, 20, seed).to_json(truth.class_names)) for seed in (0, 0, 1)]
    assert texts[0] == texts[1] != texts[2]
