"""kmeans_anchors.py as a user runs it."""

import pytest

from tests.scripts.running import accepted, refused, script
from utils.models.choose import read_anchors


@pytest.fixture
def flags(home, tmp_path):
    """Those of a run that works: the sample data, read for a small network of two levels."""
    year = home / "VOC2007"
    data = ["--data", f"{year}:train", "--classes", year / "classes.txt", "--model", "yolov4_tiny"]
    return [*data, "--image-size", 192, 192, "--output", tmp_path / "anchors.txt"]


def test_the_file_and_what_is_said(flags, home, tmp_path):
    """In a process of its own, from another folder."""
    output = script("kmeans_anchors.py", *flags, cwd=tmp_path).stdout
    found = read_anchors(tmp_path / "anchors.txt", 2)
    sizes = [size for level in found for size in level]
    assert len(sizes) == 6 and sizes == sorted(sizes, key=lambda size: size[0] * size[1])
    assert max(map(max, sizes)) <= 192
    lines = output.splitlines()
    assert "boxes of 8 images, at 192 x 192" in lines[0]
    assert lines[1].startswith("anchors of yolov4_tiny: ") and "23,27" in lines[2]
    assert lines[3].startswith("anchors by k-means: ") and lines[4].strip() in (
        tmp_path / "anchors.txt"
    ).read_text(encoding="utf-8")
    own, new = (float(lines[number].rsplit(" ", 1)[1]) for number in (1, 3))
    assert new > own and f"mean IoU {new - own:+.3f}"[:-1] in lines[5]
    assert f"--anchors {tmp_path / 'anchors.txt'}" in lines[6]


def test_the_same_twice_but_nothing_is_overwritten_unasked(flags, tmp_path, capsys):
    accepted(capsys, "kmeans_anchors.py", *flags)
    first = (tmp_path / "anchors.txt").read_text()
    assert "--overwrite" in refused(capsys, "kmeans_anchors.py", *flags)
    (tmp_path / "anchors.txt").write_text("mine")
    accepted(capsys, "kmeans_anchors.py", *flags, "--overwrite")
    assert (tmp_path / "anchors.txt").read_text() == first


def test_a_training_takes_the_file(flags, home, tmp_path, capsys):
    accepted(capsys, "kmeans_anchors.py", *flags)
    year = home / "VOC2007"
    data = ["--train", f"{year}:train", "--val", f"{year}:val", "--classes", year / "classes.txt"]
    size = ["--image-size", 192, 192, "--epochs", 1, "--workers", 0, "--device", "cpu"]
    model = ["--model", "yolov4_tiny", "--anchors", tmp_path / "anchors.txt"]
    output = accepted(capsys, "train.py", *data, *size, *model, "--output", tmp_path / "logs", "--name", "r")
    (line,) = (line for line in output.splitlines() if line.startswith("anchors: "))
    assert "of the boxes have an anchor within a factor of 4" in line


def test_wrong_input(flags, tmp_path, capsys):
    def message(*more):
        return refused(capsys, "kmeans_anchors.py", *flags, *more)

    assert "has no anchors that can be chosen: --model takes one of yolov3" in message(
        "--model", "yolox_nano"
    )
    assert "--head takes one of" in message("--head", "none")
    assert "--image-size 100 64" in message("--image-size", 100, 64)
    assert "gone.txt does not exist" in message("--data", tmp_path / "gone.txt")
    assert "--seed must be at least 0" in message("--seed", -1)
    (tmp_path / "one.txt").write_text(f"{tmp_path / 'gone.jpg'} 1,2,3,4,0\n")
    assert "no image with a box can be read" in message("--data", tmp_path / "one.txt")
    assert not (tmp_path / "anchors.txt").exists()


def test_boxes_of_too_few_sizes(flags, home, tmp_path, capsys):
    image = next((home / "VOC2007" / "JPEGImages").iterdir())
    (tmp_path / "few.txt").write_text(f"{image}\t1,2,30,40,0 5,6,34,44,1\n", encoding="utf-8")
    text = refused(capsys, "kmeans_anchors.py", *flags, "--data", tmp_path / "few.txt")
    assert "boxes of 1 different sizes, too few for 6 anchors" in text
