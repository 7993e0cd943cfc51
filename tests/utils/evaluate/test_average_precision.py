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
)
from utils.evaluate.matching import Verdict

# Ranked detections of one class with four objects, T correct, F false:   T    F    T    T    F
#                                                    precision            1   1/2  2/3  3/4  3/5
#                                                    recall              1/4  1/4  2/4  3/4  3/4
# At the correct ones, 1, 3 and 4 detections had been counted. Raised precision there: 1, 3/4, 3/4.
COUNTED = np.array([1, 3, 4])


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
    assert area_ap(COUNTED, 4) == pytest.approx(0.625, abs=1e-12)


def test_voc_eleven_points_by_hand():
    # Recalls 0 .1 .2 are reached with precision 1; .3 .4 .5 and .6 .7 with 3/4; .8 .9 1 never:
    # (3 * 1 + 5 * 3/4) / 11 = 6.75 / 11
    assert sampled_ap(COUNTED, 4, VOC07_RECALLS) == pytest.approx(6.75 / 11, abs=1e-12)


def test_coco_points_by_hand():
    # 0 to .25 are 26 points of precision 1, .26 to .75 are 50 of 3/4: (26 + 37.5) / 101
    assert sampled_ap(COUNTED, 4, COCO_RECALLS) == pytest.approx(63.5 / 101, abs=1e-12)


def test_the_seventh_point_is_just_above_three_fifths():
    # As in every Python version of the devkit: three of five objects reach 0 to .5, but not .6.
    assert sampled_ap(np.array([1, 2, 3]), 5, VOC07_RECALLS) == pytest.approx(6 / 11, abs=1e-12)


def test_perfect_and_hopeless():
    for ap in (
        area_ap,
        lambda c, n: sampled_ap(c, n, VOC07_RECALLS),
        lambda c, n: sampled_ap(c, n, COCO_RECALLS),
    ):
        assert ap(np.arange(1, 8), 7) == pytest.approx(1, abs=1e-12)
        assert ap(np.zeros(0, int), 7) == 0
        assert np.isnan(ap(np.zeros(0, int), 0))


def test_log_average_miss_rate_by_hand():
    # Ten images and four objects; at the correct detections there are 0, 1 and 1 false positives, that is
    # 0, .1 and .1 per image. The points are .01 .018 .032 .056 .1 .178 .316 .562 1: the four below .1 are
    # reached with one object found (miss rate 3/4), the five others with three (1/4).
    expected = np.exp((4 * np.log(3 / 4) + 5 * np.log(1 / 4)) / 9)
    assert log_average_miss_rate(COUNTED, 4, num_images=10) == pytest.approx(expected, rel=1e-12)


def test_miss_rate_of_nothing_found_and_of_everything_found():
    assert log_average_miss_rate(np.zeros(0, int), 4, 10) == 1
    assert log_average_miss_rate(np.arange(1, 5), 4, 10) == pytest.approx(1e-10)
    assert np.isnan(log_average_miss_rate(np.zeros(0, int), 0, 10))
