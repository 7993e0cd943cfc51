from fractions import Fraction

import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects
from utils.evaluate.ground_truth import RankedDetections, flatten_detections, rank_detections
from utils.evaluate.matching import Verdict, match_voc, overlapping_pairs
from utils.evaluate.pr_curves import CURVE_CONFIDENCES, CURVE_RECALLS, best_f1, curves, metrics_at

FAR = (500, 500, 510, 510)


def judged(truth, *detections):
    ranked = rank_detections(flatten_detections(detections), truth.num_images, len(truth.class_names))
    pairs = overlapping_pairs(ranked, truth, 0.5)
    verdict = match_voc(pairs, truth.uncounted, len(ranked.scores), 0.5)
    return ranked, verdict, np.bincount(truth.labels[~truth.uncounted], minlength=len(truth.class_names))


@pytest.fixture
def two_classes():
    """Class 0: two objects; .9 correct, .6 false, .3 correct. Class 1: one object; .6 false, .4 correct.
    Class 2: no object, one detection."""
    truth = objects([[UNIT, (50, 0, 60, 10), UNIT]], labels=[[0, 0, 1]], classes=3)
    first = [(UNIT, 0.9, 0), (FAR, 0.6, 0), ((50, 0, 60, 10), 0.3, 0)]
    return judged(truth, found(*first, (FAR, 0.6, 1), (UNIT, 0.4, 1), (UNIT, 0.8, 2)))


def test_figures_at_a_threshold(two_classes):
    precision, recall, f1 = metrics_at(np.array([0.5, 0.3, 0.95]), *two_classes)
    nan = np.nan
    # At .5: class 0 keeps two, one correct, of two objects; class 1 keeps one, false.
    np.testing.assert_allclose(precision, [[1 / 2, 2 / 3, nan], [0, 1 / 2, nan], [nan, nan, nan]])
    np.testing.assert_allclose(recall, [[1 / 2, 1, 0], [0, 1, 0], [nan, nan, nan]])
    np.testing.assert_allclose(f1, [[1 / 2, 4 / 5, 0], [0, 2 / 3, 0], [nan, nan, nan]])


def test_a_score_on_the_threshold_is_kept(two_classes):
    precision, _, _ = metrics_at(np.array([0.6, np.nextafter(0.6, 1)]), *two_classes)
    assert precision[0].tolist() == [1 / 2, 1]


def test_best_f1_by_class_and_for_all(two_classes):
    # F1 of class 0 after .9, .6, .3: 2/3, 1/2, 4/5. Of class 1 after .6, .4: 0, 2/3.
    # Mean at .9: 1/3, at .6: 1/4, at .4: (1/2 + 2/3) / 2 = .583, at .3: (4/5 + 2/3) / 2 = .733
    confidence, value = best_f1(*two_classes)
    np.testing.assert_allclose(confidence, [0.3, 0.4, np.nan, 0.3])
    np.testing.assert_allclose(value, [4 / 5, 2 / 3, np.nan, 11 / 15])


def test_a_threshold_cannot_separate_equal_scores():
    # Correct and false with the same score: keeping only the first of them is no choice.
    confidence, value = best_f1(*judged(objects([[UNIT]]), found((UNIT, 0.5), (FAR, 0.5))))
    assert confidence.tolist() == [0.5, 0.5]
    np.testing.assert_allclose(value, 2 / 3)


def test_of_equally_good_thresholds_the_highest_is_best():
    # Two objects and T F F T: 2 / (1 + 2) = 2/3, 2/4, 2/5, and 4 / (4 + 2) = 2/3 again.
    second = (50, 0, 60, 10)
    detections = found((UNIT, 0.9), (FAR, 0.8), (FAR, 0.7), (second, 0.6))
    confidence, value = best_f1(*judged(objects([[UNIT, second]]), detections))
    assert confidence.tolist() == [0.9, 0.9]
    np.testing.assert_allclose(value, 2 / 3)


def test_nothing_correct_gives_no_threshold():
    confidence, value = best_f1(*judged(objects([[UNIT]]), found((FAR, 0.9))))
    assert np.isnan(confidence).all()
    assert value.tolist() == [0, 0]


def test_the_best_of_all_thresholds_is_found_by_trying_them_all(two_classes):
    ranked, _, _ = two_classes
    thresholds = np.unique(ranked.scores)
    _, _, f1 = metrics_at(thresholds, *two_classes)
    confidence, value = best_f1(*two_classes)
    mean = f1[:2].mean(0)
    assert value[-1] == pytest.approx(mean.max())
    assert confidence[-1] == thresholds[mean.argmax()]


# The last five seeds are cases in which the rounded sums of equal means differ.
@pytest.mark.parametrize("seed", [*range(40), 31, 1133, 2137, 2821, 2960])
def test_of_exactly_equal_means_the_highest_threshold_is_best(seed):
    rng = np.random.default_rng(seed)
    labels = np.sort(rng.integers(0, 2, 8))
    scores = np.concatenate([np.sort(rng.permutation(8)[labels == label])[::-1] for label in range(2)]) / 16
    numbers = rng.integers(1, 4, 2)
    correct = rng.random(8) < 0.5
    for label in range(2):  # no more correct ones than objects
        correct[np.flatnonzero((labels == label) & correct)[numbers[label] :]] = False
    nothing, starts = np.zeros(8, np.int64), np.searchsorted(labels, np.arange(3))
    ranked = RankedDetections(nothing, np.zeros((8, 4)), scores, labels, nothing, starts)
    confidence, _ = best_f1(ranked, Verdict(correct, np.ones(8, bool)), numbers)
    best = {}  # exact mean F1 -> the highest threshold that gives it
    for threshold in np.sort(scores)[::-1]:
        keep = scores >= threshold
        f1 = [exact_f1(correct[keep & (labels == label)], int(numbers[label])) for label in range(2)]
        best.setdefault(sum(f1), threshold)
    assert confidence[-1] == best[max(best)] or not correct.any()


def exact_f1(correct, number):
    return Fraction(2 * int(correct.sum()), len(correct) + number)


def test_curves(two_classes):
    drawn = curves(*two_classes)
    assert drawn.precision.shape == (3, len(CURVE_CONFIDENCES))
    half = np.searchsorted(CURVE_CONFIDENCES, 0.5)
    assert drawn.f1[0, half] == pytest.approx(1 / 2)
    # Class 0: precision 1 up to recall .5, 2/3 up to 1.
    assert drawn.precision_at_recall[0, [0, len(CURVE_RECALLS) // 2]].tolist() == [1, 1]
    assert drawn.precision_at_recall[0, -1] == pytest.approx(2 / 3)
    assert np.isnan(drawn.precision_at_recall[2]).all()
