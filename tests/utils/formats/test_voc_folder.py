"""The ids of a split, as tools write them."""

import pytest

from utils.formats.voc_folder import known_id

IMAGES = {"p0", "p1.v2", "a b", "c 1"}


@pytest.mark.parametrize(
    ("line", "found"),
    [
        ("p0", "p0"),
        ("p0.jpg", "p0"),
        ("p0.XML", "p0"),
        ("p1.v2", "p1.v2"),
        ("p1.v2.png", "p1.v2"),
        ("p0  1", "p0"),
        ("p0 -1", "p0"),
        ("p0 0", "p0"),
        ("a b", "a b"),
        ("a b -1", "a b"),
        ("c 1", "c 1"),
        ("JPEGImages/p0.jpg", "p0"),
        ("D:\\data\\p0.jpg 1", "p0"),
        ("p0 2", "p0 2"),
        ("q.jpg", "q.jpg"),
    ],
)
def test_an_id_may_have_a_suffix_a_folder_or_a_flag(line, found):
    assert known_id(line, IMAGES) == found
