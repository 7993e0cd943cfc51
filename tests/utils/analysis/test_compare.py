import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects
from utils.analysis.bootstrap import Interval
from utils.analysis.compare import COMPARED_METRICS, Comparison, compare
from utils.data.detections import Detections
from utils.evaluate.evaluator import match_detections

TRUTH = objects([[UNIT]] * 40)


def finding(*images):
    """Detections of the object on these images alone."""
    return [found((UNIT, 0.9)) if image in images else Detections.empty() for image in range(40)]


def test_a_clear_difference_is_said_whichever_comes_first():
    poor, good = match_detections(finding(*range(10)), TRUTH), match_detections(finding(*range(30)), TRUTH)
    comparison = next(c for c in compare(poor, good) if c.metric == "voc_area")
    assert (comparison.first, comparison.second) == (0.25, 0.75)
    value, low, high = comparison.difference
    assert value == 0.5 and 0.3 < low < 0.5 < high < 0.7
    assert comparison.sentence(("A", "B")).startswith(
        "B is better than A by 0.5000 VOC mAP (95 % interval 0.3"
    )
    back = next(c for c in compare(good, poor) if c.metric == "voc_area")
    assert back.difference.value == -0.5
    assert back.sentence(("A", "B")).startswith("A is better than B by 0.5000 VOC mAP (95 % interval 0.3")


def test_a_small_difference_may_be_chance():
    # One differs on two images to its favour and on one against.
    first, second = (
        match_detections(finding(0, 1, 2, 3), TRUTH),
        match_detections(finding(1, 2, 3, 4, 5), TRUTH),
    )
    sentence = compare(first, second)[0].sentence(("A", "B"))
    assert sentence.startswith("B is ahead of A") and sentence.endswith("40 images): this may be chance")


def test_pairs_narrow_the_interval():
    """Found on the same images but one, both move together: far less than each alone."""
    first, second = match_detections(finding(*range(20)), TRUTH), match_detections(finding(*range(21)), TRUTH)
    difference = next(c for c in compare(first, second) if c.metric == "voc_area").difference
    assert difference.high - difference.low < 0.15  # each alone: 4 * sqrt(.25 / 40) = .32


def test_the_same_result_is_the_same():
    comparisons = compare(
        match_detections(finding(0), TRUTH), match_detections(finding(0), TRUTH), resamples=20
    )
    assert [c.metric for c in comparisons] == list(COMPARED_METRICS)
    assert comparisons[0].sentence(("A", "B")) == "A and B have the same mAP50-95 (40 images)"


def test_no_objects_at_all():
    empty = match_detections([Detections.empty()], objects([[]]))
    assert "not defined" in compare(empty, empty, resamples=5)[0].sentence()


def test_other_images_are_refused():
    with pytest.raises(ValueError, match="only on the same images"):
        compare(
            match_detections(finding(0), TRUTH), match_detections(finding(0)[:39], objects([[UNIT]] * 39))
        )


@pytest.mark.parametrize(
    "other",
    [
        objects([[UNIT]] * 40, classes=2),
        objects([[UNIT, UNIT], [], *[[UNIT]] * 38]),
        objects([[UNIT]] * 40, difficult=[[1]] + [[0]] * 39),
        objects([[(0, 0, 10, 11)]] + [[UNIT]] * 39),
    ],
)
def test_other_objects_are_refused(other):
    with pytest.raises(ValueError, match="only on the same images"):
        compare(match_detections(finding(0), TRUTH), match_detections(finding(0), other))


def test_seed_decides():
    first, second = match_detections(finding(0, 1), TRUTH), match_detections(finding(2, 3, 4), TRUTH)
    results = [compare(first, second, 50, seed)[0] for seed in (0, 0, 1)]
    assert results[0] == results[1] != results[2]
    assert isinstance(results[0], Comparison) and isinstance(results[0].difference, Interval)
    assert not np.isnan(results[0].difference).any()
