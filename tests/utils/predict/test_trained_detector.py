"""Loading a detector: what the weights store, what must be named, and what does not fit."""

import pytest
import torch

from tests.utils.predict.predictions import CPU, NAMES, same
from utils.predict.predictor import Predictor
from utils.predict.trained_detector import load_trained


def test_weights_that_say_nothing_need_classes(folder):
    with pytest.raises(ValueError, match=r"bare\.pth does not store its class names: .*--classes"):
        Predictor(folder / "bare.pth", **CPU)
    known = Predictor(folder / "bare.pth", classes=folder / "classes.txt", confidence=0.0, **CPU)
    assert known.model.model_name == "yolox_nano"  # recognised by its tensors
    assert known.model.image_size == (416, 416) and known.class_names == NAMES


def test_bare_weights_find_the_same(predictor, folder):
    settings = {"classes": folder / "classes.txt", "image_size": (64, 96), "max_detections": 20}
    bare = Predictor(folder / "bare.pth", confidence=0.0, **settings, **CPU)
    assert same(bare(folder / "2.png"), predictor(folder / "2.png"))


def test_another_number_of_classes_is_refused(folder, tmp_path):
    (tmp_path / "two.txt").write_text("a\nb\n")
    with pytest.raises(ValueError, match=r"bare\.pth has 3 classes, --classes names 2"):
        Predictor(folder / "bare.pth", classes=tmp_path / "two.txt", **CPU)


def test_another_model_is_refused_with_its_name(folder):
    with pytest.raises(ValueError, match="--model yolox_nano"):
        Predictor(folder / "best.pt", model="yolox_tiny", **CPU)


def test_weights_of_no_model_need_its_name(tmp_path):
    torch.save({"layer.weight": torch.zeros(3, 3)}, tmp_path / "other.pth")
    with pytest.raises(ValueError, match=r"other\.pth does not say which model .*--model"):
        load_trained(tmp_path / "other.pth", torch.device("cpu"))


def test_image_sizes_are_checked(folder):
    with pytest.raises(ValueError, match=r"--image-size 100 64: .*96 or 128"):
        Predictor(folder / "best.pt", image_size=(100, 64), **CPU)


def test_published_weights_are_used_by_name(folder, monkeypatch):
    monkeypatch.setattr(
        "utils.predict.trained_detector.pretrained_weights", lambda model: folder / f"{model}.pth"
    )
    (folder / "yolox_nano.pth").write_bytes((folder / "bare.pth").read_bytes())
    options = {"classes": folder / "classes.txt", "image_size": (64, 96)}
    found = Predictor("pretrained", model="yolox_nano", **options, **CPU)
    assert found.class_names == NAMES
    with pytest.raises(ValueError, match="with --model"):
        Predictor("pretrained", **options, **CPU)
