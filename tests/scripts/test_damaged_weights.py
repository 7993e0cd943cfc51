"""Checkpoints and run folders that contradict themselves: one sentence naming the file, and status 2."""

import json
import shutil

import pytest
import torch

from nets import build_detector, parts_of, preset
from tests.scripts.running import refused

THREE = ["a", "b", "c"]


@pytest.fixture(scope="module")
def content():
    """The content of a checkpoint."""
    detector = build_detector("yolox_nano", len(THREE))
    return {
        "model": detector.state_dict(),
        **{"ema": None, "optimizer": None, "epoch": 0, "step": 0, "class_names": THREE},
        **{"model_name": "yolox_nano", "image_size": [64, 64], "model_parts": parts_of(preset("yolox_nano"))},
    }


def refuse(content, tmp_path, home, capsys, name="predict.py"):
    """Refuse the content as --weights; returns the message."""
    path = tmp_path / "bad.pt"
    torch.save(content, path)
    images = home / "VOC2007" / "JPEGImages"
    data = ["--data", home / "2007_val.txt"] if name == "get_map.py" else [images]
    data = [] if name == "export.py" else data
    flags = ["--weights", path, "--output", tmp_path / ("out.onnx" if name == "export.py" else "out")]
    message = refused(capsys, name, *data, *flags, "--device", "cpu")
    assert str(path) in message and message.count("\n") == 1
    assert [file.name for file in tmp_path.iterdir()] == ["bad.pt"]
    return message


CONTRADICTIONS = [
    ({"model_parts": {"tail": "x"}}, "'tail', which is no part of a model"),
    ({"model_parts": {"backbone": 5}}, "model_parts.backbone is 5, not a text"),
    ({"model_parts": {"neck": "nowhere"}}, "there is no neck 'nowhere'"),
    ({"model_parts": {"anchors": [[["x", 1]]]}}, "is 'x', not a number"),
    ({"model_parts": {"anchors": [[[1, float("inf")]]]}}, "is inf"),
    ({"model_name": "nope"}, "there is no model 'nope'"),
    ({"model_name": None}, "model_name is None, not a text"),
    ({"image_size": [32_000_000, 32_000_000]}, "is 32000000, and not from 1 to 8192 pixels"),
    ({"image_size": [100, 64]}, "multiple of 32"),
    ({"image_size": "64"}, "image_size is '64', not a list"),
    ({"thresholds": {"overall": 0.5, "by_class": [0.5]}}, "1 thresholds for 3 classes"),
    ({"thresholds": {"overall": float("nan"), "by_class": [0.5] * 3}}, "thresholds.overall is nan"),
    ({"thresholds": 0.5}, "thresholds is 0.5"),
    ({"class_names": [1, 2, 3]}, "class_names[0] is 1, not a text"),
    ({"class_names": ["a", "b"]}, "names 2 classes and has class layers for 3"),
    ({"class_names": ["a", " a ", "b"]}, "class_names holds 'a' more than once"),
    ({"class_names": ["a", "", "b"]}, "the class name '' is empty"),
    ({"class_names": ["a", "b\nc", "d"]}, "'b\\nc'"),
    ({"class_names": ["a", "b\0", "d"]}, "'b\\x00'"),
]


@pytest.mark.parametrize(("changes", "message"), CONTRADICTIONS, ids=range(len(CONTRADICTIONS)))
def test_contradictions(changes, message, content, home, tmp_path, capsys):
    assert message in refuse(content | changes, tmp_path, home, capsys)


@pytest.mark.parametrize("name", ["predict.py", "get_map.py", "export.py"])
def test_a_model_that_contains_itself(name, content, home, tmp_path, capsys):
    endless = {}
    endless["model"] = endless
    assert "one inside of the other" in refuse(content | {"model": endless}, tmp_path, home, capsys, name)


@pytest.mark.parametrize("kind", ["sparse", "meta", "NaN", "too large for float32"])
def test_tensors_without_usable_numbers(kind, content, home, tmp_path, capsys):
    name = "backbone.stem.conv.conv.weight"
    tensor = content["model"][name]
    other = {
        "sparse": tensor.to_sparse(),
        "meta": tensor.to("meta"),
        "NaN": torch.full_like(tensor, float("nan")),
        "too large for float32": tensor.double() + 1e300,
    }[kind]
    message = refuse(content | {"model": content["model"] | {name: other}}, tmp_path, home, capsys)
    assert name in message and ("NaN or infinite" if kind[0] in "Nt" else "sparse or quantised") in message


def damaged_config(folder, changes):
    path = folder / "config.json"
    record = json.loads(path.read_text(encoding="utf-8"))
    record["config"] |= changes
    path.write_text(json.dumps(record), encoding="utf-8")


def damaged_state(folder, changes):
    for name in ("last.pt", "previous.pt"):
        torch.save(torch.load(folder / name, weights_only=True) | changes, folder / name)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda folder: (folder / "config.json").write_text("[]"), "config.json cannot be read"),
        (lambda folder: (folder / "config.json").write_text("[" * 99_999), "config.json cannot be read"),
        (lambda folder: damaged_config(folder, {"epochs": [1]}), "epochs is a list, not a whole number"),
        (lambda folder: damaged_config(folder, {"lr": -1}), "--lr must be above 0, not -1"),
        (lambda folder: damaged_config(folder, {"train": [None]}), "train[0] is None, not a text"),
        (lambda folder: (folder / "metrics.csv").write_text("a,b"), "metrics.csv cannot be read"),
        (lambda folder: damaged_state(folder, {"epoch": -1}), "epoch is -1, and not at least 0"),
        (lambda folder: damaged_state(folder, {"within": {"batches": "a"}}), "within.batches is 'a'"),
        (lambda folder: damaged_state(folder, {"optimizer": {}}), "optimizer lacks param_groups, state"),
        (lambda folder: damaged_state(folder, {"model": {}}), "tensors are not those of the model"),
        (lambda folder: damaged_state(folder, {"random": {}}), "random lacks python"),
    ],
    ids=range(11),
)
def test_run_folders(damage, message, trained_run, tmp_path, capsys):
    folder = shutil.copytree(trained_run.folder, tmp_path / "run")
    damage(folder)
    error = refused(capsys, "train.py", "--resume", folder, "--epochs", 3, "--save-period", 0)
    assert message in error and str(folder) in error and error.count("\n") == 1
