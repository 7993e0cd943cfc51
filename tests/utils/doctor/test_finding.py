"""Words and severities."""

import pytest

from tests.utils.doctor.doctor_cases import split
from utils.doctor.finding import Location, by_split, number_of, serious_beyond


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        ((1, "box"), "1 box"),
        ((0, "class"), "0 classes"),
        ((12345, "image"), "12,345 images"),
        ((1, "image", "are"), "1 image is"),
        ((2, "image", "are"), "2 images are"),
        ((1, "image", "cannot"), "1 image cannot"),
        ((1, "box", "reach"), "1 box reaches"),
        ((1, "box", "cover"), "1 box covers"),
    ],
)
def test_numbers_with_their_words(arguments, text):
    assert number_of(*arguments) == text


def test_counts_by_split():
    places = [Location("val", "a", 0, (1, 2)), Location("train", "b", 0, (5,)), Location("val", "c", 1, (7,))]
    splits = [split("train"), split("val"), split("test")]
    assert by_split(places, splits) == "train 1, val 2"
    assert by_split(places, splits, boxes=True) == "train 1, val 3"


def test_more_than_a_hundredth_of_any_split_is_serious():
    assert serious_beyond({"train": (1, 100), "val": (0, 0)}) == "warning"
    assert serious_beyond({"train": (0, 1000), "val": (2, 100)}) == "serious"
