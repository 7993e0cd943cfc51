"""Saving what was found: figures that lose nothing."""

import csv
import errno
import json
import signal

import numpy as np
import pytest

from utils.data.detections import Detections
from utils.images.image_io import read_image
from utils.predict.save_results import (
    count_classes,
    results_json,
    save_crops,
    save_csv,
    save_json,
    save_text,
    saving,
    saving_image,
)

NAMES = ("dog", "traffic light", "猫")
FOUND = Detections(
    np.array([[1.25, 2.5, 10.1, 20], [0, 0, 5, 5]], np.float32),
    np.array([0.87, 0.00001], np.float32),
    np.array([1, 0]),
)


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
    results = results_json(["a/x.jpg", "empty.jpg"], [FOUND, Detections.empty()], NAMES)
    save_json(tmp_path / "results.json", results)
    loaded = json.loads((tmp_path / "results.json").read_text(encoding="utf-8"))
    assert [entry["image"] for entry in loaded] == ["a/x.jpg"] * 2
    assert [entry["category"] for entry in loaded] == ["traffic light", "dog"]
    # left 1.25, top 2.5, width 10.1 - 1.25 = 8.85, height 20 - 2.5 = 17.5
    assert loaded[0]["bbox"] == pytest.approx([1.25, 2.5, 8.85, 17.5], abs=1e-6)
    assert np.float32(loaded[0]["score"]) == FOUND.scores[0]


def test_json_of_nothing(tmp_path):
    save_json(tmp_path / "results.json", [])
    assert json.loads((tmp_path / "results.json").read_text()) == []


def test_csv_has_a_row_for_each_box(tmp_path):
    save_csv(tmp_path / "r.csv", ['a, "b"\n/x.jpg', "empty.jpg"], [FOUND, Detections.empty()], NAMES)
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.reader(file)]
    assert rows == [
        ["image", "class", "score", "left", "top", "right", "bottom"],
        ['a, "b"\n/x.jpg', "traffic light", "0.87", "1.25", "2.5", "10.1", "20"],
        ['a, "b"\n/x.jpg', "dog", "0.00001", "0", "0", "5", "5"],
    ]


def test_csv_of_nothing_has_its_heading(tmp_path):
    save_csv(tmp_path / "r.csv", [], [], NAMES)
    assert (tmp_path / "r.csv").read_text() == "image,class,score,left,top,right,bottom\n"


def test_a_file_that_cannot_be_written_is_named_with_the_fix(tmp_path):
    """No file may grow beyond 64 bytes: as on a disk that fills while a file is written."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (64, before[1]))
        with (
            pytest.raises(OSError, match=r"r\.csv cannot be saved \(File too large\): .*--output") as error,
            saving(tmp_path),
        ):
            save_csv(tmp_path / "r.csv", ["x.jpg"] * 9, [FOUND] * 9, NAMES)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)
    assert "\n" not in str(error.value)
    assert not list(tmp_path.iterdir())


def test_names_that_are_formulas_or_not_utf8(tmp_path):
    save_csv(tmp_path / "r.csv", ["-a.jpg"], [FOUND], ["=dog", "=cat", "=bus"])
    with (tmp_path / "r.csv").open(encoding="utf-8", newline="") as file:
        rows = [*csv.reader(file)]
    assert rows[1][0] == "'-a.jpg" and rows[1][1].startswith("'=")
    name = b"caf\xe9.jpg".decode("utf-8", "surrogateescape")
    save_json(tmp_path / "r.json", results_json([name], [FOUND], NAMES))
    assert json.loads((tmp_path / "r.json").read_text("utf-8"))[0]["image"] == name


def test_one_image_that_cannot_be_saved_does_not_end_the_rest(tmp_path, capsys):
    unsaved = []
    with saving_image(tmp_path, unsaved):
        (tmp_path / ("x" * 300)).touch()
    with saving_image(tmp_path, unsaved):
        raise ValueError("too large")
    assert len(unsaved) == 2 and unsaved[0].endswith("cannot be saved (File name too long)")
    assert capsys.readouterr().out == f"not saved: {unsaved[0]}\nnot saved: too large\n"
    with pytest.raises(OSError, match="make room, or give another --output"), saving_image(tmp_path, unsaved):
        raise OSError(errno.ENOSPC, "No space left on device", "a.jpg")
    assert len(unsaved) == 2


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


def test_counts_by_class():
    assert count_classes([FOUND, FOUND, Detections.empty()], NAMES) == {"dog": 2, "traffic light": 2}
    assert count_classes([], NAMES) == {}
