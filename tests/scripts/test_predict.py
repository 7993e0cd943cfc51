"""predict.py as a user runs it."""

import json

import numpy as np
import pytest
from PIL import Image

from tests.scripts.running import CLASSES, SIZE, accepted, refused, script


@pytest.fixture(scope="module")
def pictures(home):
    """A folder with pictures that share a stem, one below in another folder, and one that is no picture."""
    folder = home / "照片 1"
    (folder / "below").mkdir(parents=True)
    source = sorted((home / "VOC2007" / "JPEGImages").iterdir())
    for number, name in enumerate(("a.jpg", "a.png", "below/c.webp")):
        with Image.open(source[number]) as picture:
            picture.save(folder / name)
    (folder / "broken.jpg").write_bytes(b"no picture")
    return folder


@pytest.fixture(scope="module")
def predicted(trained_run, pictures):
    """Everything at once, on a folder: what it printed, and where the results are."""
    options = ["--save-txt", "--save-json", "--crop", "--count", "--confidence", 0.15, "--batch-size", 2]
    weights = ["--weights", trained_run.folder / "best.pt", "--device", "cpu"]
    done = script("predict.py", pictures.name, *weights, *options, cwd=trained_run.home)
    return done.stdout, trained_run.home / "predictions"


def test_every_picture_is_saved_under_a_name_of_its_own(predicted, pictures):
    folder = predicted[1]
    assert {path.name for path in folder.glob("*.jpg")} == {"a_jpg.jpg", "a_png.jpg", "c.jpg"}
    for saved, source in (("a_jpg.jpg", "a.jpg"), ("c.jpg", "below/c.webp")):
        with Image.open(folder / saved) as one, Image.open(pictures / source) as two:
            assert one.size == two.size


def test_json_follows_the_contract(predicted, pictures):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    assert found
    for entry in found:
        assert list(entry) == ["image", "category", "bbox", "score"]
        assert entry["category"] in CLASSES and 0.15 <= entry["score"] <= 1
        x, y, w, h = entry["bbox"]
        with Image.open(pictures.parent / entry["image"]) as picture:
            assert x >= 0 and y >= 0 and x + w <= picture.width + 1e-3 and y + h <= picture.height + 1e-3


def test_text_says_the_same_as_json(predicted):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    files = sorted((predicted[1] / "labels").glob("*.txt"))
    assert {path.stem for path in files} == {"a_jpg", "a_png", "c"}
    lines = [line.rsplit(" ", 5) for file in files for line in file.read_text("utf-8").splitlines()]
    assert len(lines) == len(found)
    in_text = sorted((line[0], np.float32(line[1])) for line in lines)
    assert in_text == sorted((entry["category"], np.float32(entry["score"])) for entry in found)


def test_a_crop_of_every_box_in_the_folder_of_its_class(predicted):
    found = json.loads((predicted[1] / "results.json").read_text(encoding="utf-8"))
    crops = list((predicted[1] / "crops").glob("*/*.jpg"))
    found = [entry for entry in found if min(entry["bbox"][2:]) > 0]  # some lie on the padding alone
    assert len(crops) == len(found) > 0
    assert {path.parent.name for path in crops} == {entry["category"] for entry in found}


def test_counts_and_unreadable_pictures_are_told(predicted, pictures):
    output, folder = predicted
    found = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert f"3 pictures, {len(found)} objects" in output
    assert "skipped: " in output and "broken.jpg" in output
    for name in {entry["category"] for entry in found}:
        of_c = sum(e["category"] == name and e["image"].endswith("c.webp") for e in found)
        line = next(line for line in output.splitlines() if "c.webp: " in line)
        assert (f"{name} {of_c}" in line) == (of_c > 0)


def test_nothing_found_is_explained(trained_run, pictures, tmp_path, capsys):
    output = accepted(
        capsys,
        "predict.py",
        pictures / "a.jpg",
        pictures / "below" / "*.webp",
        *("--weights", trained_run.folder / "best.pt", "--confidence", 1, "--output", tmp_path / "out"),
        *("--device", "cpu"),
    )
    cells = (SIZE // 8) ** 2 + (SIZE // 16) ** 2 + (SIZE // 32) ** 2
    assert output.count(f"0 of {cells} candidates reached confidence 1; the best was 0.") == 2
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"a.jpg", "c.jpg"}


def test_sources_that_are_not_there(trained_run, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    weights = ["--weights", trained_run.folder / "best.pt"]
    message = refused(capsys, "predict.py", "gone.jpg", "*.png", *weights)
    assert str(tmp_path / "gone.jpg") in message and "*.png" in message
    assert not list(tmp_path.iterdir())


def test_only_broken_pictures(trained_run, pictures, tmp_path, capsys):
    options = ["--weights", trained_run.folder / "best.pt", "--output", tmp_path, "--device", "cpu"]
    assert "could be read" in refused(capsys, "predict.py", pictures / "broken.jpg", *options)
