import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from utils.analysis.confusion_matrix import confusion_matrix
from utils.analysis.per_image import count_per_image
from utils.data.detections import Detections
from utils.evaluate.evaluator import match_detections

OTHER, FAR = (50, 0, 60, 10), (500, 500, 510, 510)


def test_by_hand():
    # Class 0: found once, once taken for class 1, missed once. Class 1 is found twice, once too often.
    truth = objects([[UNIT, OTHER], [UNIT, FAR]], labels=[[0, 0], [1, 0]], classes=2)
    first = found((UNIT, 0.9, 0), (OTHER, 0.8, 1), (OTHER, 0.1, 0))  # the last is below the confidence
    second = found((UNIT, 0.9, 1), (shifted(1), 0.7, 1))
    matrix = confusion_matrix(match_detections([first, second], truth), 0.5)
    assert matrix.tolist() == [[1, 1, 1], [0, 1, 0], [0, 1, 0]]


def test_an_object_goes_to_its_own_class_even_after_a_better_one_of_another():
    truth = objects([[UNIT]], labels=[[0]], classes=2)
    matrix = confusion_matrix(match_detections([found((UNIT, 0.9, 1), (shifted(1), 0.6, 0))], truth), 0.5)
    assert matrix.tolist() == [[1, 0, 0], [0, 0, 0], [0, 1, 0]]


def test_the_most_overlapped_of_other_classes_is_meant():
    truth = objects([[shifted(2), UNIT]], labels=[[0, 1]], classes=3)
    matrix = confusion_matrix(match_detections([found((UNIT, 0.9, 2))], truth), 0.5)
    assert matrix[1, 2] == 1 and matrix[0, 3] == 1


@pytest.mark.parametrize("flag", ["difficult", "crowd"])
def test_what_does_not_count_is_not_there(flag):
    truth = objects([[UNIT]], labels=[[0]], classes=2, **{flag: [[1]]})
    for label in (0, 1):
        seen = [found((UNIT, 0.9, label), (shifted(1), 0.8, label))]
        assert not confusion_matrix(match_detections(seen, truth), 0.5).any()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truth", [objects([]), objects([[]]), objects([[UNIT]]), objects([[]], classes=0)])
def test_nothing_found(truth):
    matrix = confusion_matrix(match_detections([Detections.empty()] * truth.num_images, truth), 0.5)
    assert matrix.sum() == len(truth.labels) == matrix[:-1, -1].sum()


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(60))
def test_sums_are_those_of_objects_and_detections(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    matched = match_detections(detections, truth)
    classes = len(truth.class_names)
    for confidence in (0.0, 0.5, 1.0):
        matrix = confusion_matrix(matched, confidence)
        assert (matrix >= 0).all() and matrix[-1, -1] == 0
        counted = np.bincount(truth.labels[~truth.uncounted], minlength=classes)
        np.testing.assert_array_equal(matrix[:-1].sum(1), counted)
        shown = np.bincount(matched.found.labels[matched.found.scores >= confidence], minlength=classes)
        assert (matrix[:, :-1].sum(0) <= shown).all()
        if not truth.uncounted.any():
            np.testing.assert_array_equal(matrix[:, :-1].sum(0), shown)
        # A detection may here take a second object that it overlaps, where VOC's rule has only the best.
        assert np.trace(matrix) >= count_per_image(matched, confidence).correct.sum()
