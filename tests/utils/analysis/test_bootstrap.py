"""Weights give exactly what copies of the images give."""

from dataclasses import replace

import numpy as np
import pytest

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects, random_case
from utils.analysis.bootstrap import (
    affordable_resamples,
    draw_weights,
    interval,
    intervals,
    resampled_metrics,
)
from utils.data.detections import Detections
from utils.evaluate.coco_metrics import mean_of_defined
from utils.evaluate.evaluator import evaluate, match_detections
from utils.evaluate.ground_truth import GroundTruth


def copied(truth: GroundTruth, detections: list[Detections], times: np.ndarray):
    """The data set with image k so many times, its copies side by side."""
    order = np.repeat(np.arange(truth.num_images), times)
    rows = [np.flatnonzero(truth.image_numbers == image) for image in order]
    flat = np.concatenate([np.zeros(0, int), *rows])
    image = np.repeat(np.arange(len(order)), [*map(len, rows)])
    columns = (truth.boxes, truth.labels, truth.difficult, truth.crowd, truth.areas)
    many = GroundTruth(truth.class_names, len(order), image, *(column[flat] for column in columns))
    return many, [detections[image] for image in order]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("seed", range(60))
def test_figures_are_those_of_the_copied_images(seed):
    rng = np.random.default_rng(seed)
    truth, detections = random_case(rng)
    # Equal scores on different images stay; on one image, copies would alternate between them.
    detections = [replace(d, scores=d.scores + rng.permutation(len(d)) / 1e4) for d in detections]
    times = rng.integers(0, 4, (truth.num_images, 5))
    figures = resampled_metrics(match_detections(detections, truth), times.astype(np.uint8))
    for column in range(5):
        metrics = evaluate(*reversed(copied(truth, detections, times[:, column])))
        expected = {name: metrics.coco[name] for name in ("map", "map50", "map75")}
        expected |= {"voc_area": mean_of_defined(metrics.voc_area)}
        expected |= {"voc07_11point": mean_of_defined(metrics.voc07)}
        for name, value in expected.items():
            np.testing.assert_allclose(figures[name][column], value, atol=1e-12, rtol=0, err_msg=name)


def test_blocks_change_nothing(monkeypatch):
    truth, detections = random_case(np.random.default_rng(3))
    matched, weights = match_detections(detections, truth), draw_weights(truth.num_images, 23, 0)
    whole = resampled_metrics(matched, weights)
    monkeypatch.setattr("utils.analysis.bootstrap.RESAMPLES_AT_ONCE", 7)
    np.testing.assert_equal(resampled_metrics(matched, weights), whole)


def test_draws():
    weights = draw_weights(50, 400, 0)
    assert weights.shape == (50, 400) and (weights.sum(0) == 50).all()
    assert weights.var() == pytest.approx(1 - 1 / 50, rel=0.05)  # binomial
    assert np.array_equal(weights, draw_weights(50, 400, 0))
    assert not np.array_equal(weights, draw_weights(50, 400, 1))


def test_the_interval_of_a_share_is_the_known_one():
    # Of 100 images of one object 60 are found, without a wrong detection: AP is the share found, with a
    # standard error of sqrt(.6 * .4 / 100) = .049.
    truth = objects([[UNIT]] * 100)
    detections = [found((UNIT, 0.9)) if k % 5 < 3 else Detections.empty() for k in range(100)]
    result = intervals(match_detections(detections, truth), resamples=2000)["voc_area"]
    assert result.value == pytest.approx(0.6)
    assert result.low == pytest.approx(0.6 - 1.96 * 0.049, abs=0.012)
    assert result.high == pytest.approx(0.6 + 1.96 * 0.049, abs=0.012)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("truth", [objects([]), objects([[]]), objects([[UNIT]]), objects([[]], classes=0)])
def test_nothing_found(truth):
    for result in intervals(match_detections([Detections.empty()] * truth.num_images, truth), 10).values():
        assert np.isnan(result.value) or tuple(result) == (0, 0, 0)


def test_undefined_resamples_are_left_out():
    assert interval(0.5, np.array([np.nan, 0.25, 0.25])) == (0.5, 0.25, 0.25)


def test_a_bias_of_the_resamples_is_taken_back():
    values = np.linspace(0, 1, 10001)
    assert interval(0.5, values) == pytest.approx((0.5, 0.025, 0.975), abs=1e-4)
    # 84.13 % lie below .8413: one standard deviation, so from the share of 2 - 1.96 to that of 2 + 1.96.
    assert interval(0.8413, values) == pytest.approx((0.8413, 0.516, 0.99996), abs=1e-3)


def test_fewer_resamples_where_there_is_much():
    assert affordable_resamples(1000) == 1000
    assert affordable_resamples(1_000_000) == 500
    assert affordable_resamples(100_000_000) == 100
    assert affordable_resamples(100_000_000, wanted=20) == 20
