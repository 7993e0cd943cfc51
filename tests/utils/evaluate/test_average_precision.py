import numpy as np
import pytest

from utils.evaluate.average_precision import (
    COCO_RECALLS,
    VOC07_RECALLS,
    area_ap,
    counted_at_hits,
    log_average_miss_rate,
    raised_precision,
    sampled_ap,
    sampled_aps,
)
from utils.evaluate.matching import Verdict

# Ranked detections of one class with four objects, T correct, F false:   T    F    T    T    F
#                                                    precision            1   1/2  2/3  3/4  3/5
#                                                    recall              1/4  1/4  2/4  3/4  3/4
# At the correct ones, 1, 3 and 4 detections had been counted. Raised precision there: 1, 3/4, 3/4.
COUNTED = np.array([1, 3, 4])
NOTHING = np.zeros(0, int)


def of_class(metric, counted, objects, *options):
    """A metric of a data set with one class."""
    (value,) = metric([counted], np.array([objects]), *options)
    return value


def test_counting_by_class_leaves_out_what_counts_neither_way():
    correct = np.array([1, 0, 1, 0, 1, 0, 0, 1], bool)
    counted = np.array([1, 1, 1, 0, 1, 1, 0, 1], bool)
    # Class 0 is the first five (T F T - T), class 1 is empty, class 2 the rest (F - T).
    first, second, third = counted_at_hits(Verdict(correct, counted), np.array([0, 5, 5, 8]))
    assert first.tolist() == [1, 3, 4]
    assert second.tolist() == []
    assert third.tolist() == [2]


def test_raised_precision():
    assert raised_precision(COUNTED).tolist() == [1, 3 / 4, 3 / 4]


def test_voc_area_by_hand():
    # Recall rises by 1/4 at precisions 1, 3/4, 3/4 and never reaches the fourth object:
    # 1/4 * (1 + 3/4 + 3/4) = 0.625
    assert of_class(area_ap, COUNTED, 4) == pytest.approx(0.625, abs=1e-12)


def test_voc_eleven_points_by_hand():
    # Recalls 0 .1 .2 are reached with precision 1; .3 .4 .5 and .6 .7 with 3/4; .8 .9 1 never:
    # (3 * 1 + 5 * 3/4) / 11 = 6.75 / 11
    assert of_class(sampled_ap, COUNTED, 4, VOC07_RECALLS) == pytest.approx(6.75 / 11, abs=1e-12)


def test_coco_points_by_hand():
    # 0 to .25 are 26 points of precision 1, .26 to .75 are 50 of 3/4: (26 + 37.5) / 101
    assert of_class(sampled_ap, COUNTED, 4, COCO_RECALLS) == pytest.approx(63.5 / 101, abs=1e-12)


def test_the_seventh_point_is_just_above_three_fifths():
    # As in every Python version of the devkit: three of five objects reach 0 to .5, but not .6.
    assert of_class(sampled_ap, np.array([1, 2, 3]), 5, VOC07_RECALLS) == pytest.approx(6 / 11, abs=1e-12)


def test_perfect_and_hopeless():
    at_hits, objects = [np.arange(1, 8), NOTHING, NOTHING], np.array([7, 7, 0])
    for ap in (
        area_ap(at_hits, objects),
        sampled_ap(at_hits, objects, VOC07_RECALLS),
        sampled_ap(at_hits, objects, COCO_RECALLS),
    ):
        np.testing.assert_allclose(ap, [1, 0, np.nan], rtol=0, atol=1e-12)


def test_several_verdicts_at_once():
    correct, counted = np.array([1, 0, 1, 1], bool), np.ones(4, bool)
    verdicts = [Verdict(correct, counted), Verdict(correct & False, counted)]
    starts, objects = np.array([0, 3, 4]), np.array([2, 1])
    np.testing.assert_array_equal(
        sampled_aps(verdicts, starts, objects, VOC07_RECALLS),
        [sampled_ap(counted_at_hits(verdict, starts), objects, VOC07_RECALLS) for verdict in verdicts],
    )


def test_log_average_miss_rate_by_hand():
    # Ten images and four objects; at the correct detections there are 0, 1 and 1 false positives, that is
    # 0, .1 and .1 per image. The points are .01 .018 .032 .056 .1 .178 .316 .562 1: the four below .1 are
    # reached with one object found (miss rate 3/4), the five others with three (1/4).
    expected = np.exp((4 * np.log(3 / 4) + 5 * np.log(1 / 4)) / 9)
    assert of_class(log_average_miss_rate, COUNTED, 4, 10) == pytest.approx(expected, rel=1e-12)


def test_miss_rate_of_nothing_found_and_of_everything_found():
    rates = log_average_miss_rate([NOTHING, np.arange(1, 5), NOTHING], np.array([4, 4, 0]), 10)
    np.testing.assert_allclose(rates, [1, 1e-10, np.nan])
