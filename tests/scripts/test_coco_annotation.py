"""coco_annotation.py as a user runs it."""

import json
import subprocess
import sys

import pytest

from tests.helpers import ROOT


def convert(folder, *arguments, status=0):
    """Run the script in `folder`; returns what it printed."""
    command = [sys.executable, str(ROOT / "coco_annotation.py"), "--annotations", "instances.json"]
    command += ["--images", "images", "--output", "train.txt", *arguments]
    run = subprocess.run(command, cwd=folder, capture_output=True, text=True, encoding="utf-8")
    assert run.returncode == status, run.stdout + run.stderr
    assert "Traceback" not in run.stderr
    return run.stdout + run.stderr


@pytest.fixture
def data(tmp_path):
    (tmp_path / "images").mkdir()
    for name in ("a.jpg", "b.jpg"):
        (tmp_path / "images" / name).touch()
    content = {
        "images": [{"id": 7, "file_name": "a.jpg"}, {"id": 3, "file_name": "b.jpg"}],
        "categories": [{"id": 8, "name": "fox"}, {"id": 2, "name": "猫"}],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 8, "bbox": [1, 2, 3.5, 4]},
            {"id": 2, "image_id": 7, "category_id": 2, "bbox": [0, 0, 9, 9], "iscrowd": 1},
        ],
    }
    (tmp_path / "instances.json").write_text(json.dumps(content))
    return tmp_path


def test_writes_the_list_and_its_classes(data):
    output = convert(data)
    assert (data / "train.txt").read_text() == (
        f"{data / 'images' / 'a.jpg'} 1,2,4.5,6,1\n{data / 'images' / 'b.jpg'}\n"
    )
    assert (data / "train_classes.txt").read_text(encoding="utf-8") == "猫\nfox\n"
    assert ["crowds,", "skipped", "1"] in [line.split() for line in output.splitlines()]


def test_labels_follow_the_classes_given(data):
    (data / "classes.txt").write_text("fox\n猫\n", encoding="utf-8")
    convert(data, "--classes", "classes.txt")
    assert "1,2,4.5,6,0" in (data / "train.txt").read_text()
    assert not (data / "train_classes.txt").exists()


def test_does_not_replace_other_classes(data):
    (data / "train_classes.txt").write_text("cow\n")
    assert "--classes" in convert(data, status=2)
    assert not (data / "train.txt").exists()


def test_missing_images_and_broken_files_are_told(data):
    (data / "images" / "b.jpg").unlink()
    assert str(data / "images" / "b.jpg") in convert(data, status=2)
    (data / "instances.json").write_text('{"images": [')
    assert "cut off" in convert(data, status=2)
    assert not (data / "train.txt").exists()
