"""Thresholds go with the weights, and nothing else in the file changes."""

import pytest
import torch

from tests.utils.evaluate.evaluation_cases import UNIT, found, objects
from utils.evaluate.evaluator import evaluate
from utils.weights.checkpoint import load_checkpoint, save_checkpoint, store_thresholds
from utils.weights.checkpoint_schema import stored_model
from utils.weights.thresholds import (
    Thresholds,
    best_thresholds,
    change_confidences,
    class_confidences,
    describe_confidences,
    parse_class_confidence,
)

STORED = Thresholds(0.25, (0.5, 0.125))


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "best.pt"
    entries = {"epoch": 3, "step": 7, "class_names": ["a", "b"], "model_name": "m", "image_size": (64, 32)}
    save_checkpoint(path, model={"w": torch.arange(3.0)}, ema={"w": torch.ones(3)}, best=0.5, **entries)
    return path


def test_a_checkpoint_keeps_everything_and_gains_the_thresholds(checkpoint):
    before = load_checkpoint(checkpoint)
    store_thresholds(checkpoint, STORED)
    after = load_checkpoint(checkpoint)
    assert stored_model(after, ours=True)["thresholds"] == STORED
    assert after.keys() - before.keys() == {"thresholds"}
    assert torch.equal(after["model"]["w"], before["model"]["w"]) and after["best"] == 0.5
    store_thresholds(checkpoint, Thresholds(0.75, (0.75, 0.75)))
    assert stored_model(load_checkpoint(checkpoint), ours=True)["thresholds"].overall == 0.75
    assert [file.name for file in checkpoint.parent.iterdir()] == ["best.pt"]


def test_weights_without_a_place_for_them_stay_as_they_are(checkpoint, tmp_path):
    bare = tmp_path / "bare.pth"
    torch.save({"w": torch.ones(1)}, bare)
    content = bare.read_bytes(), checkpoint.read_bytes()
    with pytest.raises(ValueError, match=r"bare.pth is not a checkpoint of train.py.*--confidence 0.250"):
        store_thresholds(bare, STORED)
    with pytest.raises(ValueError, match="not a checkpoint"):
        store_thresholds(checkpoint, Thresholds(0.25, (0.5,)))  # of other classes
    assert (bare.read_bytes(), checkpoint.read_bytes()) == content


@pytest.mark.parametrize(
    "content", [{}, {"thresholds": 0.5}, {"thresholds": {"overall": 0.5, "by_class": ["a"]}}]
)
def test_a_file_without_thresholds_has_none(content):
    assert stored_model(content, ours=False).get("thresholds") is None


def test_best_thresholds_of_an_evaluation():
    # Class 0 is best from .75 on. Class 1 is never found, class 2 has no objects: that of all classes.
    ground_truth = objects([[UNIT, (50, 0, 60, 10)]], labels=[[0, 1]], classes=3)
    metrics = evaluate([found((UNIT, 0.75, 0), ((90, 0, 99, 9), 0.25, 0))], ground_truth)
    assert best_thresholds(metrics.best_f1_confidence, metrics.best_confidence) == Thresholds(
        0.75, (0.75, 0.75, 0.75)
    )
    metrics = evaluate([found(((90, 0, 99, 9), 0.25, 0))], ground_truth)
    with pytest.raises(ValueError, match="no object was detected"):
        best_thresholds(metrics.best_f1_confidence, metrics.best_confidence)


@pytest.mark.parametrize(
    ("confidence", "stored", "expected"),
    [
        (None, None, (0.5, 0.5)),
        (None, STORED, (0.25, 0.25)),
        ("best", STORED, (0.25, 0.25)),
        ("best-by-class", STORED, (0.5, 0.125)),
        (0.75, STORED, (0.75, 0.75)),
        (0, None, (0.0, 0.0)),
    ],
)
def test_what_is_asked_for_and_what_is_stored(confidence, stored, expected):
    assert class_confidences(confidence, stored, 2) == expected


@pytest.mark.parametrize(
    ("confidence", "message"), [("best", "--store-thresholds"), (1.5, "between 0 and 1")]
)
def test_what_cannot_be_had_is_refused(confidence, message):
    with pytest.raises(ValueError, match=message):
        class_confidences(confidence, None, 2)


def test_they_are_told():
    assert describe_confidences((0.25, 0.25), "ab") == "confidence 0.25"
    assert describe_confidences((0.5, 0.125), ["cup", "树"]) == "confidence cup 0.5, 树 0.125"
    assert describe_confidences((0.5, 0.125, 0.5), ["cup", "树", "a"]) == "confidence 0.5, but 树 0.125"
    assert describe_confidences((0.5, 0.125, 0.5), "abc", ["a", "c"]) == "confidence 0.5, only a, c"
    assert describe_confidences((0.5, 0.125, 0.5), "abc", ["b"]) == "confidence 0.125, only b"


def test_changes_for_some_classes():
    assert change_confidences((0.5, 0.5), "ab", {"b": 0.25}) == (0.5, 0.25)
    with pytest.raises(ValueError, match="--class-confidence: there is no class c; there are a, b"):
        change_confidences((0.5, 0.5), "ab", {"c": 0.25})
    with pytest.raises(ValueError, match="--class-confidence b=2: it is between 0 and 1"):
        change_confidences((0.5, 0.5), "ab", {"b": 2})
    assert parse_class_confidence(["a=b=0.5", "树=1"]) == {"a=b": 0.5, "树": 1.0}
    for text in ("cup", "cup=", "=0.5", "cup=high"):
        with pytest.raises(ValueError, match=f"--class-confidence {text}: write it as name=0.3"):
            parse_class_confidence([text])
