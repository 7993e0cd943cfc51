"""An epoch as a table row and as a line."""

import re
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.run.epoch_log import EpochLine, line, table

LOSSES = {"box": 1.0, "objectness": 12.3456, "l1": 0.25}
EPOCH = EpochLine(7, 120, LOSSES, 0.5, 0.25, True, 41.26, 600.0)
HEADER = "  epoch     box  objectness      l1   mAP50  mAP50-95   img/s    left"
ROW = "  7/120   1.000      12.346   0.250  0.5000  0.2500 *    41.3  10 min"


def test_a_line_says_what_its_figures_are():
    expected = "epoch 7/120 box 1.000 objectness 12.346 l1 0.250 | mAP50 0.5000 mAP50-95 0.2500 (best) "
    assert line(EPOCH) == expected + "| 41.3 images/s, 10.0 min left"
    plain = EPOCH._replace(map50=None, map50_95=None, best=False)
    assert line(plain) == "epoch 7/120 box 1.000 objectness 12.346 l1 0.250 | 41.3 images/s, 10.0 min left"


def test_a_row_stands_under_its_headings():
    assert table(EPOCH, 69, with_header=True).splitlines() == [HEADER, ROW]
    assert table(EPOCH, 69, with_header=False) == ROW


def test_without_evaluation_its_columns_are_empty():
    row = table(EPOCH._replace(map50=None, map50_95=None, best=False), 69, with_header=False)
    assert row == ROW.replace("0.5000", 6 * " ").replace("0.2500 *", 8 * " ")


def test_a_row_that_is_not_the_best_is_not_marked():
    assert table(EPOCH._replace(best=False), 69, with_header=False) == ROW.replace("*", " ")


def test_yolox_fits_into_a_common_terminal():
    losses = dict.fromkeys(("box", "objectness", "class", "l1"), 1.0)
    text = table(EPOCH._replace(losses=losses, epoch=300, total=999), 80, with_header=True)
    assert [len(part) for part in text.splitlines()] == [77, 77]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0.000"),
        (99.98, "99.980"),
        (99.999, "100.0"),
        (123.456, "123.5"),
        (12345, "1e+04"),
        (9e29, "9e+29"),
    ],
)
def test_large_losses_stay_in_their_column(value, text):
    row = table(EPOCH._replace(losses={"box": value}), 80, with_header=False)
    assert row.split()[1] == text and len(text) <= 6


@pytest.mark.parametrize("with_header", [True, False])
def test_what_does_not_fit_is_a_line(with_header):
    assert len(HEADER) == len(ROW) == 69
    assert table(EPOCH, 68, with_header) == line(EPOCH)
    assert table(EPOCH, 0, with_header) == line(EPOCH)


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 s"), (89, "89 s"), (90, "2 min"), (5390, "90 min"), (5400, "1.5 h"), (864_000, "10 d")],
)
def test_the_time_that_is_left(seconds, text):
    assert table(EPOCH._replace(seconds_left=seconds), 69, with_header=False).endswith(f"  {text:>6}")


numbers = st.floats(0, 1e30)


@given(
    epoch=st.integers(1, 99_999),
    losses=st.dictionaries(st.text("abc_1", min_size=1, max_size=20), numbers, max_size=8),
    value=st.none() | st.floats(0, 1),
    speed=st.floats(0, 99_999),
    left=st.floats(0, 86400 * 999),
    width=st.integers(0, 200),
)
def test_columns_stay_aligned_and_within_the_width(epoch, losses, value, speed, left, width):
    shown = EpochLine(epoch, 99_999, losses, value, value, value is not None, speed, left)
    text = table(shown, width, with_header=True)
    if text == line(shown):
        return
    header, row = text.splitlines()
    assert len(header) == len(row) <= width
    ends = [heading.end() for heading in re.finditer(r"\S+", header)]
    assert len(ends) == 5 + len(losses)
    assert all(row[end : end + 1] in ("", " ") for end in ends)  # no value runs into the next column
    columns = [row[start:end].split() for start, end in pairwise([0, *ends])]
    assert columns[0] == [f"{epoch}/99999"] and [len(words) for words in columns[-2:]] == [1, 2]
    assert all(len(words) == 1 for words in columns[1:-4])
