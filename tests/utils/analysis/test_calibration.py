import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.analysis.calibration import calibration
from utils.data.detections import Detections
from utils.evaluate.evaluator import match_detections


def test_by_hand():
    # Ten bins: .25 wrong; .75 correct and .71 wrong; 1 correct. Apart by .25, .23 and 0.
    truth = objects([[UNIT], [UNIT]])
    first = found((UNIT, 0.75), (shifted(1), 0.71), ((50, 0, 60, 10), 0.25))
    result = calibration(match_detections([first, found((UNIT, 1.0))], truth))
    assert result.number.tolist() == [0, 0, 1, 0, 0, 0, 0, 2, 0, 1]
    assert result.score[[2, 7, 9]].tolist() == pytest.approx([0.25, 0.73, 1])
    assert result.correct[[2, 7, 9]].tolist() == [0, 0.5, 1]
    assert np.isnan(result.score[0]) and np.isnan(result.correct[0])
    assert result.error == pytest.approx((0.25 + 2 * 0.23) / 4)


@pytest.mark.parametrize(("score", "place"), [(0.0, 0), (0.1, 1), (0.7, 7), (0.3, 3), (1.0, 9)])
def test_a_score_on_an_edge_belongs_to_the_upper_bin(score, place):
    result = calibration(match_detections([found((UNIT, score))], objects([[UNIT]])))
    assert result.number.nonzero()[0].tolist() == [place]


def test_what_does_not_count_is_left_out():
    truth = objects([[UNIT]], difficult=[[1]])
    result = calibration(match_detections([found((UNIT, 0.9))], truth))
    assert not result.number.any() and np.isnan(result.error)


@pytest.mark.filterwarnings("error")
def test_nothing_found():
    assert np.isnan(calibration(match_detections([Detections.empty()], objects([[UNIT]]))).error)


@pytest.mark.parametrize("seed", range(10))
def test_all_that_counts_is_in_a_bin(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    matched = match_detections(detections, truth)
    assert calibration(matched, bins=7).number.sum() == matched.verdict.counted.sum()
