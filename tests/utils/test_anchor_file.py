"""Anchors as text: written and read back, and what is wrong with a file."""

import pytest

from nets.anchor_head import TINY_ANCHORS, YOLOV3_ANCHORS
from utils.anchor_file import read_anchors, write_anchors


@pytest.mark.parametrize("anchors", [TINY_ANCHORS, YOLOV3_ANCHORS])
def test_written_and_read_back(anchors, tmp_path):
    (tmp_path / "a.txt").write_text(write_anchors(anchors))
    assert read_anchors(tmp_path / "a.txt", len(anchors)) == anchors


def test_the_form_of_the_file():
    assert write_anchors((((10, 13), (16.5, 30)),)) == "10,13,  16.5,30\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("10,13, x,30", "'x' is no number"),
        ("10,13, 16", "has 3 numbers"),
        ("", "has 0 numbers"),
        ("10,13, 16,30, 33,23", "each of the 2 levels"),
        ("10,13, 16,0", "above 0, not 0"),
    ],
)
def test_a_file_that_is_wrong(text, message, tmp_path):
    (tmp_path / "a.txt").write_text(text)
    with pytest.raises(ValueError, match=message):
        read_anchors(tmp_path / "a.txt", 2)
