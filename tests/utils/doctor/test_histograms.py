"""Bins counted by hand."""

import numpy as np
import pytest

from tests.utils.doctor.doctor_cases import image_case, split
from utils.doctor.histograms import binned, histograms, image_size_histogram


def test_values_fall_into_their_bins():
    result = binned("t", [np.array([0.5, 1, 1.9, 2, 7, np.nan]), np.array([9.0])], (1, 2, 4))
    assert result.bins == ["below 1", "1 to 2", "2 to 4", "4 and more"]
    assert result.shares == pytest.approx(np.array([[0.2, 0.4, 0.2, 0.2], [0, 0, 0, 1]]))


def test_names_of_whole_numbers_and_percent():
    assert binned("t", [np.zeros(1)], (1, 2, 3, 5), whole=True).bins == [
        "none",
        "1",
        "2",
        "3 to 4",
        "5 and more",
    ]
    assert binned("t", [np.zeros(1)], (0.01, 0.2), percent=True).bins == [
        "below 1 %",
        "1 to 20 %",
        "20 % and more",
    ]


def test_no_value_is_no_share():
    assert (binned("t", [np.zeros(0)], (1, 2)).shares == 0).all()


def test_sizes_of_images_most_frequent_first():
    one = split(
        "train", image_case(), image_case(), image_case(size=(10, 20)), image_case(error="x", size=(0, 0))
    )
    result = image_size_histogram([one, split("val", image_case(size=(10, 20)))])
    assert result.bins == ["100 x 80", "20 x 10"]
    assert result.shares == pytest.approx(np.array([[2 / 3, 1 / 3], [0, 1]]))


def test_rare_sizes_are_together():
    result = image_size_histogram([split("train", *[image_case(size=(k + 1, 9)) for k in range(10)])])
    assert len(result.bins) == 9 and result.bins[-1] == "2 others"
    assert result.shares[0] == pytest.approx([0.1] * 8 + [0.2])


def test_boxes_of_a_data_set():
    # 40 x 10 on 100 x 80, trained at 160 x 200 (twice as large): sides of 20 and 40, a quarter, 4 to 1
    pixels, relative, aspect, number, _ = histograms([split("train", image_case((0, 0, 40, 10)))], (160, 200))
    shown = [h.bins[int(h.shares[0].argmax())] for h in (pixels, relative, aspect, number)]
    assert shown == ["32 to 64", "20 to 40 %", "3 to 5", "1"]  # sqrt(400 / 8000) is 22 %
