"""Tables as text for spreadsheets: what they would run stays text, and numbers stay numbers."""

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.system.csv_text import csv_text


@pytest.mark.parametrize(
    ("cell", "written"),
    [
        ("=1+1", "'=1+1"),
        ("@SUM(A1)", "'@SUM(A1)"),
        ("+cmd|' /C calc'!A0", "'+cmd|' /C calc'!A0"),
        ("-x.jpg", "'-x.jpg"),
        ("＝1", "'＝1"),
        ("-1.25", "-1.25"),
        ("+1e-5", "+1e-5"),
        (-3, "-3"),
        (0.5, "0.5"),
        ("a=1", "a=1"),
        ("", ""),
    ],
)
def test_cells(cell, written):
    assert [*csv.reader(io.StringIO(csv_text([[cell, "b"]])))] == [[written, "b"]]


@given(st.lists(st.lists(st.text(st.characters(exclude_characters="\r\0")), min_size=1), min_size=1))
def test_nothing_else_is_changed(rows):
    read = [*csv.reader(io.StringIO(csv_text(rows), newline=""))]
    for row, cells in zip(read, rows, strict=True):
        assert all(cell in (text, f"'{text}") for cell, text in zip(row, cells, strict=True))
        assert not any(cell[:1] in ("=", "@") for cell in row)
