"""Saving what was found: names that never collide, figures that lose nothing."""

import json
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.detections import Detections
from utils.image import read_image
from utils.results import (
    count_classes,
    output_names,
    results_json,
    safe_file_name,
    save_crops,
    save_json,
    save_text,
)

NAMES = ("dog", "traffic light", "猫")
FOUND = Detections(
    np.array([[1.25, 2.5, 10.1, 20], [0, 0, 5, 5]], np.float32),
    np.array([0.87, 0.00001], np.float32),
    np.array([1, 0]),
)


def test_a_stem_of_its_own_is_the_name():
    assert output_names([Path("a/x.jpg"), Path("b/y.png")]) == ["x", "y"]


def test_folders_tell_equal_stems_apart():
    assert output_names([Path("in/a/x.jpg"), Path("in/b/x.jpg"), Path("in/b/y.jpg")]) == ["a_x", "b_x", "y"]


def test_extensions_tell_equal_stems_apart():
    assert output_names([Path("x.jpg"), Path("x.png")]) == ["x_jpg", "x_png"]


def test_folders_and_extensions_together():
    assert output_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("x.png")]) == ["a_x", "b_x", "x"]


def test_case_alone_does_not_tell_apart():
    names = output_names([Path("a/X.jpg"), Path("b/x.jpg")])
    assert names == ["a_X", "b_x"]


def test_a_longer_name_that_is_taken_already():
    # a/x and b/x become a_x and b_x, but a_x is the stem of a third; all three must end up apart.
    names = output_names([Path("a/x.jpg"), Path("b/x.jpg"), Path("a_x.jpg")])
    assert len(set(names)) == 3
    assert all(name.startswith(("a_x", "b_x")) for name in names)


def test_no_pictures_no_names():
    assert output_names([]) == []


part = st.sampled_from(["a", "A", "x", "a_x", "x_jpg", "x-2", "ä", "a\u0308"])
some_paths = st.lists(
    st.tuples(st.lists(part, max_size=2), part, st.sampled_from([".jpg", ".JPG", ".png"])),
    unique_by=str,
    max_size=8,
).map(lambda found: [Path("in", *folders, stem + suffix) for folders, stem, suffix in found])


@given(some_paths, st.randoms())
def test_names_are_unique_and_do_not_depend_on_the_order(paths, random):
    names = output_names(paths)
    assert len({unicodedata.normalize("NFC", name).casefold() for name in names}) == len(paths)
    assert all("/" not in name and name for name in names)
    shuffled = list(paths)
    random.shuffle(shuffled)
    assert dict(zip(shuffled, output_names(shuffled), strict=True)) == dict(zip(paths, names, strict=True))


def test_text_has_every_digit(tmp_path):
    save_text(tmp_path / "out" / "x.txt", FOUND, NAMES)
    lines = (tmp_path / "out" / "x.txt").read_text(encoding="utf-8").splitlines()
    assert lines == ["traffic light 0.87 1.25 2.5 10.1 20", "dog 0.00001 0 0 5 5"]
    name, *numbers = lines[0].rsplit(" ", 5)
    assert name == "traffic light"
    np.testing.assert_array_equal(np.array(numbers, np.float32), [FOUND.scores[0], *FOUND.boxes[0]])


def test_text_of_nothing_is_an_empty_file(tmp_path):
    save_text(tmp_path / "x.txt", Detections.empty(), NAMES)
    assert (tmp_path / "x.txt").read_bytes() == b""


def test_json_is_coco_with_names(tmp_path):
    results = results_json([Path("a/x.jpg"), Path("empty.jpg")], [FOUND, Detections.empty()], NAMES)
    save_json(tmp_path / "results.json", results)
    loaded = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [entry["image"] for entry in loaded] == [str(Path("a/x.jpg"))] * 2
    assert [entry["category"] for entry in loaded] == ["traffic light", "dog"]
    # left 1.25, top 2.5, width 10.1 - 1.25 = 8.85, height 20 - 2.5 = 17.5
    assert loaded[0]["bbox"] == pytest.approx([1.25, 2.5, 8.85, 17.5], abs=1e-6)
    assert np.float32(loaded[0]["score"]) == FOUND.scores[0]


def test_json_of_nothing(tmp_path):
    save_json(tmp_path / "results.json", [])
    assert json.loads((tmp_path / "results.json").read_text()) == []


def test_crops_are_what_is_within_the_boxes(tmp_path):
    image = np.zeros((40, 60, 3), np.uint8)
    image[10:20, 30:50] = (0, 200, 0)
    boxes = np.array([[30, 10, 50, 20], [55, 35, 80, 80], [70, 0, 90, 10], [2.4, 3.6, 2.5, 3.7]], np.float32)
    detections = Detections(boxes, np.full(4, 0.5, np.float32), np.array([0, 2, 0, 0]))
    written = save_crops(tmp_path, "x", image, detections, NAMES)
    # the third lies outside; the fourth is thinner than a pixel and takes the pixel it lies in
    assert [path.relative_to(tmp_path).as_posix() for path in written] == [
        "dog/x_000.jpg",
        "猫/x_001.jpg",
        "dog/x_003.jpg",
    ]
    shapes = [read_image(path).shape for path in written]
    assert shapes == [(10, 20, 3), (5, 5, 3), (1, 1, 3)]
    assert np.abs(read_image(written[0]).astype(int) - [0, 200, 0]).max() < 8


@pytest.mark.parametrize(
    ("name", "safe"), [("a/b", "a_b"), ("..", "_"), ("c:d?", "c_d_"), ("猫 1", "猫 1"), ("", "_")]
)
def test_class_names_that_are_no_file_names(name, safe):
    assert safe_file_name(name) == safe


def test_counts_by_class():
    assert count_classes([FOUND, FOUND, Detections.empty()], NAMES) == {"dog": 2, "traffic light": 2}
    assert count_classes([], NAMES) == {}
