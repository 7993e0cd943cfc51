"""Every kind by hand: an object of each of two classes, far apart, on one image, unless said otherwise."""

from dataclasses import replace

import numpy as np
import pytest

from tests.helpers import needs_shared
from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case, shifted
from tests.utils.evaluate.test_evaluator import voc100
from utils.analysis.tide import KINDS, error_kinds
from utils.data.detections import Detections
from utils.evaluate.evaluator import evaluate, match_detections

OTHER, FAR = (50, 0, 60, 10), (500, 500, 510, 510)
TRUTH = objects([[UNIT, OTHER]], labels=[[0, 1]], classes=2)


def errors(*of_image, truth=TRUTH):
    result = error_kinds(match_detections([found(*of_image)], truth))
    numbers = {
        kind: number.tolist() for kind, number in zip(KINDS, result.number, strict=True) if number.any()
    }
    costs = {kind: cost for kind, cost in zip(KINDS, result.cost.tolist(), strict=True) if cost}
    return numbers, costs, result.ap


def test_no_error():
    assert errors((UNIT, 0.9, 0), (OTHER, 0.8, 1)) == ({}, {}, 1.0)


def test_class():
    # Class 0 is 1. Class 1 has a detection on it that says 0: AP 0 without, 1 with the right name.
    numbers, costs, ap = errors((UNIT, 0.9, 0), (OTHER, 0.8, 0))
    assert numbers == {"class": [1, 0]} and ap == 0.5
    assert costs == {"class": pytest.approx(0.5)}
    # Nor is the object missed: it was aimed at.
    # With the better score it costs class 0 too: there precision is 1/2 until it goes.
    result = error_kinds(match_detections([found((OTHER, 0.95, 0), (UNIT, 0.9, 0))], TRUTH))
    assert result.ap == 0.25 and result.class_cost[0].tolist() == [0.5, 1]


def test_localisation():
    # An overlap of 40 / 160 = .25.
    numbers, costs, ap = errors((UNIT, 0.9, 0), ((56, 0, 66, 10), 0.8, 1))
    assert numbers == {"localisation": [0, 1]} and ap == 0.5
    assert costs == {"localisation": pytest.approx(0.5)}


def test_both():
    # Wrong class at .25. Class 0: precision 1/2 at its object, without it 1. The second object is missed.
    numbers, costs, ap = errors(((56, 0, 66, 10), 0.95, 0), (UNIT, 0.9, 0))
    assert numbers == {"both": [1, 0], "missed": [0, 1]} and ap == pytest.approx(0.25)
    assert costs == {"both": pytest.approx(0.25), "missed": pytest.approx(0.5)}


def test_duplicate():
    # Class 0 has two objects, the second found after a double of the first: area 1/2 + 1/2 * 2/3.
    truth = objects([[UNIT, OTHER]])
    numbers, costs, ap = errors((UNIT, 0.9), (shifted(1), 0.8), (OTHER, 0.7), truth=truth)
    assert numbers == {"duplicate": [1]} and ap == pytest.approx(5 / 6)
    assert costs == {"duplicate": pytest.approx(1 / 6)}


def test_background():
    numbers, costs, ap = errors((FAR, 0.95, 0), (UNIT, 0.9, 0), (OTHER, 0.9, 1))
    assert numbers == {"background": [1, 0]} and ap == 0.75
    assert costs == {"background": pytest.approx(0.25)}


def test_background_begins_below_an_overlap_of_a_tenth():
    # Moved by 8 of 10 pixels, 20 / 180 = .111; by 9, 10 / 190 = .053.
    assert errors((shifted(8), 0.9, 0))[0] == {"localisation": [1, 0], "missed": [0, 1]}
    assert errors((shifted(9), 0.9, 0))[0] == {"background": [1, 0], "missed": [1, 1]}


def test_missed():
    numbers, costs, ap = errors((UNIT, 0.9, 0))
    assert numbers == {"missed": [0, 1]} and ap == 0.5
    assert costs == {"missed": pytest.approx(0.5)}


def test_the_first_kind_is_the_one():
    # Near its own object at .25 and right on the other: of localisation, not of class.
    truth = objects([[UNIT, shifted(6)]], labels=[[0, 1]], classes=2)
    numbers, _, _ = errors((UNIT, 0.9, 1), truth=truth)
    assert numbers == {"localisation": [0, 1], "missed": [1, 0]}


def test_only_the_best_aim_is_put_right():
    # Two poor boxes on one object, .25 each: one becomes correct, the other goes; the object found already
    # of class 0 gains nothing from a third.
    numbers, costs, _ = errors((UNIT, 0.9, 0), ((56, 0, 66, 10), 0.8, 1), ((44, 0, 54, 10), 0.7, 1))
    assert numbers == {"localisation": [0, 2]} and costs == {"localisation": pytest.approx(0.5)}
    numbers, costs, _ = errors((shifted(6), 0.95, 0), (UNIT, 0.9, 0), (OTHER, 0.8, 1))
    assert numbers == {"localisation": [1, 0]} and costs == {"localisation": pytest.approx(0.25)}


def test_what_does_not_count_is_no_error():
    truth = objects([[UNIT]], difficult=[[1]])
    assert errors((UNIT, 0.9), truth=truth)[0] == {}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truth", [objects([]), objects([[]]), objects([[UNIT]]), objects([[]], classes=0)])
def test_nothing_found(truth):
    result = error_kinds(match_detections([Detections.empty()] * truth.num_images, truth))
    assert result.number.sum() == len(truth.labels)
    assert np.isnan(result.ap) or result.cost[-1] == 1


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(60))
def test_every_error_is_counted_once_and_costs_nothing_less_than_nothing(seed):
    truth, detections = random_case(np.random.default_rng(seed))
    matched = match_detections(detections, truth)
    result = error_kinds(matched)
    wrong = matched.verdict.counted & ~matched.verdict.correct
    by_class = np.bincount(matched.found.labels[wrong], minlength=len(truth.class_names))
    np.testing.assert_array_equal(result.number[:-1].sum(0), by_class)
    areas = evaluate(detections, truth).voc_area
    defined = ~np.isnan(areas)
    np.testing.assert_allclose(result.ap, areas[defined].mean() if defined.any() else np.nan)
    np.testing.assert_array_equal(np.isnan(result.class_cost), np.tile(~defined, (len(KINDS), 1)))
    assert (result.class_cost[:, defined] > -1e-12).all()
    assert (result.class_cost[:, defined] + areas[defined] < 1 + 1e-9).all()


@needs_shared
def test_a_hundred_voc_images_equal_tidecv():
    """Numbers and costs of tidecv 1.0.1, whose average precision is sampled at 101 recalls: not the area."""
    truth, detections = voc100()
    result = error_kinds(
        match_detections(detections, replace(truth, difficult=np.zeros_like(truth.difficult)))
    )
    assert dict(zip(KINDS, result.number.sum(1).tolist(), strict=True)) == {
        "class": 3,
        "localisation": 33,
        "both": 22,
        "duplicate": 2,
        "background": 166,
        "missed": 35,
    }
    np.testing.assert_allclose(result.ap, 0.61003, atol=0.001)
    expected = [0.02456, 0.06143, 0.04624, 0.00005, 0.10911, 0.07577]
    np.testing.assert_allclose(result.cost, expected, atol=0.001)
