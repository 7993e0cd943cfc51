"""train.py as a user runs it: what is in the run's folder, and going on with it."""

import csv
import json
import shutil

import pytest
import torch
from PIL import Image

from tests.scripts.running import CLASSES, SIZE, accepted, refused, script
from utils.pretrained import SOURCES

LOSSES = ("box", "objectness", "class", "l1")


def rows_of(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return list(csv.DictReader(file))


def same(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def test_files_of_the_run(trained_run):
    names = {path.name for path in trained_run.folder.iterdir()}
    events = {name for name in names if name.startswith("events.out.tfevents")}
    pictures = {"curves.png", "train_batch.jpg", "predictions.jpg"}
    weights = {"best.pt", "last.pt", "epoch_001.pt", "epoch_002.pt"}
    assert names - events == {"config.json", "metrics.csv", *pictures, *weights}
    assert events and all((trained_run.folder / name).stat().st_size > 100 for name in events)
    for name in pictures:
        with Image.open(trained_run.folder / name) as picture:
            picture.load()
            assert min(picture.size) >= 200


def test_a_row_for_each_epoch(trained_run):
    rows = rows_of(trained_run.folder)
    losses = [f"{kind}_{name}" for kind in ("loss", "val_loss") for name in LOSSES]
    expected = ["epoch", "lr", "loss", *losses, "map50", "map50_95", "images_per_second", "seconds"]
    assert [list(row) for row in rows] == [expected] * 2
    assert [row["epoch"] for row in rows] == ["1", "2"]
    for row in rows:
        assert float(row["lr"]) > 0 and 0 <= float(row["map50_95"]) <= float(row["map50"]) <= 1
        shown = f"mAP50 {float(row['map50']):.4f} mAP50-95 {float(row['map50_95']):.4f}"
        assert shown in trained_run.output
    assert any(float(row["map50_95"]) > 0 for row in rows)


def test_config_holds_everything_that_was_set(trained_run):
    found = json.loads((trained_run.folder / "config.json").read_text(encoding="utf-8"))
    config = found["config"]
    assert config["image_size"] == [SIZE, SIZE] and config["epochs"] == 2 and config["lr"] == 0.001
    assert config["optimizer"] == "adamw" and config["weight_decay"] > 0  # not given, but used
    assert found["data"]["train"]["images"] == 8 and len(found["data"]["val"]["sha256"]) == 64
    assert found["versions"]["torch"]


def test_checkpoints_are_plain_data_that_say_what_they_are(trained_run):
    for name in ("best.pt", "last.pt"):
        found = torch.load(trained_run.folder / name, weights_only=True)
        assert found.keys() >= {"model", "ema", "optimizer", "epoch", "step"}
        assert found["class_names"] == list(CLASSES)
        assert (found["model_name"], found["image_size"]) == ("yolox_nano", [SIZE, SIZE])
    assert (found["epoch"], found["step"]) == (2, 4)  # two steps of four pictures an epoch


def test_the_best_is_of_the_epoch_with_the_best_map(trained_run):
    maps = [float(row["map50_95"]) for row in rows_of(trained_run.folder)]
    best = torch.load(trained_run.folder / "best.pt", weights_only=True)
    assert best["epoch"] == 1 + maps.index(max(maps)) and best["best"] == max(maps)


def test_it_says_what_it_does(trained_run):
    for text in (
        "device: CPU",
        "train: 8 images",
        f"yolox_nano for 5 classes, one picture of {SIZE} x {SIZE}",
        "32 (2 x 2)",
        "backbone  loaded",
        "backbone frozen",
        "nothing frozen",
        "best weights, of epoch",
        *CLASSES,
        "python predict.py",
    ):
        assert text in trained_run.output


def test_a_frozen_backbone_is_that_of_the_weights(trained_run):
    """After the frozen epoch bit for bit, and no longer after the next."""

    def backbone(path):
        state = torch.load(path, weights_only=True)["model"]
        return {n: v for n, v in state.items() if n.startswith("backbone.") and v.is_floating_point()}

    start = backbone(trained_run.home / "start.pt")
    assert same(start, backbone(trained_run.folder / "epoch_001.pt"))
    assert not same(start, backbone(trained_run.folder / "epoch_002.pt"))


def test_resuming_continues_the_run_bit_for_bit(trained_run):
    """As if the second epoch had been interrupted: only the first epoch's checkpoint is there."""
    folder = trained_run.home / "logs" / "interrupted 中断"
    shutil.copytree(trained_run.folder, folder)
    for name in ("best.pt", "predictions.jpg", "epoch_002.pt"):
        (folder / name).unlink()
    shutil.copy(folder / "epoch_001.pt", folder / "best.pt")
    (folder / "epoch_001.pt").replace(folder / "last.pt")
    done = script("train.py", "--resume", folder.name, "--output", "logs", cwd=trained_run.home)
    assert "epoch 2/2" in done.stdout and "epoch 1/2" not in done.stdout
    first, second = (torch.load(path / "last.pt", weights_only=True) for path in (trained_run.folder, folder))
    assert same(first["model"], second["model"]) and same(first["ema"], second["ema"])
    for one, two in zip(rows_of(trained_run.folder), rows_of(folder), strict=True):
        changing = {"seconds", "images_per_second"}
        assert all(one[name] == two[name] for name in one.keys() - changing)
    assert (folder / "predictions.jpg").is_file()


def test_published_weights_are_recorded_as_the_file_that_was_used(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("utils.start.pretrained_weights", lambda model: home / "start.pt")
    year = home / "VOC2007"
    data = ["--train", f"{year}:train", "--val", f"{year}:val", "--classes", year / "classes.txt"]
    size = ["--image-size", SIZE, SIZE, "--epochs", 1, "--workers", 0, "--device", "cpu"]
    where = ["--weights", "pretrained", "--output", tmp_path / "logs", "--name", "r"]
    output = accepted(capsys, "train.py", *data, *size, *where)
    assert f"weights: {home / 'start.pt'}" in output and "backbone  loaded" in output
    found = json.loads((tmp_path / "logs" / "r" / "config.json").read_text(encoding="utf-8"))
    assert found["config"]["weights"] == str(home / "start.pt")


def test_nothing_is_fetched_before_all_else_is_right(home, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("utils.start.pretrained_weights", lambda model: pytest.fail("fetched"))
    gone = ["--train", tmp_path / "gone.txt", "--weights", "pretrained", "--device", "cpu"]
    assert "gone.txt does not exist" in refused(capsys, "train.py", *gone)
    monkeypatch.delitem(SOURCES, "yolox_nano")
    assert "no weights are known for the model 'yolox_nano'" in refused(capsys, "train.py", *gone)


def test_the_summary_needs_no_data(home, tmp_path, capsys):
    flags = ["--summary", "--model", "yolov4_tiny", "--output", tmp_path / "logs"]
    classes = ["--classes", home / "VOC2007" / "classes.txt"]
    output = accepted(capsys, "train.py", *flags, *classes, "--image-size", 320, 416)
    assert output.startswith("yolov4_tiny for 5 classes, one picture of 320 x 416")
    assert "10 x 13" in output and "331 x 331" in output
    flags += ["--classes", tmp_path / "gone.txt"]
    assert "yolov4_tiny for 80 classes, one picture of 416 x 416" in accepted(capsys, "train.py", *flags)
    assert "96 or 128" in refused(capsys, "train.py", *flags, "--image-size", 100, 64)
    assert not (tmp_path / "logs").exists()
