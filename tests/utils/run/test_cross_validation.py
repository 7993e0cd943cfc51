"""The runs of a cross-validation, which of them are finished, and detections by the models of their folds."""

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from tests.utils.system.test_lock import start_holder
from utils.data.detections import Detections
from utils.data.index import ImageRecord, build_index, select_images
from utils.evaluate.evaluator import evaluate
from utils.inference.detect_dataset import DatasetDetections
from utils.run import cross_validation
from utils.run.cross_validation import (
    PlannedRun,
    describe_plan,
    detect_held_out,
    plan_runs,
    prepare_folder,
)
from utils.run.cross_validation_results import Result, Spread, spread, write_results
from utils.run.folder import create_run_folder, is_cross_validation, resumed_with
from utils.system.distributed import Processes
from utils.system.stopwatch import Stopwatch

BOX = np.array([[0, 0, 10, 10]], np.float32)


def write_settings(folder, **settings):
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"config": settings}), encoding="utf-8")
    return folder


def test_each_fold_and_then_all_images():
    runs = plan_runs(np.array([1, 2, 3, 1, 2, 1, 3, 1]))
    assert runs == [
        PlannedRun("fold_1", 1, 4),
        PlannedRun("fold_2", 2, 6),
        PlannedRun("fold_3", 3, 6),
        PlannedRun("final", "all", 8),
    ]
    text = describe_plan(runs, 12)
    assert "3 folds, 12 epochs on 4 or 6 images each, then a final training on all 8" in text
    assert "about 6.0 times as long as the first fold" in text  # (4 + 6 + 6 + 8) / 4


def test_which_run_is_finished(tmp_path):
    folder = tmp_path / "fold_1"
    assert prepare_folder(folder) == (False, False)
    folder.mkdir()
    (folder / "config.json").touch()
    assert prepare_folder(folder) == (False, False) and not folder.exists()  # killed before it saved
    folder.mkdir()
    (folder / "last.pt").touch()
    assert prepare_folder(folder) == (False, True)
    (folder / "report.html").touch()
    assert prepare_folder(folder) == (True, True)


def test_a_folder_that_is_a_link_or_in_use_is_not_removed(tmp_path):
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.txt").touch()
    (tmp_path / "fold_1").symlink_to(tmp_path / "mine")
    with pytest.raises(ValueError, match="fold_1 is a link, not the folder of a run"):
        prepare_folder(tmp_path / "fold_1")
    assert (tmp_path / "mine" / "thesis.txt").exists()
    (tmp_path / "fold_2").mkdir()
    holder, _ = start_holder(tmp_path / "fold_2")
    try:
        with pytest.raises(ValueError, match="another training is running in"):
            prepare_folder(tmp_path / "fold_2")
        assert (tmp_path / "fold_2").exists()
    finally:
        holder.kill()
        holder.wait()


def test_the_folder_of_a_cross_validation(tmp_path):
    whole = write_settings(tmp_path / "cv", folds=2, fold=None)
    fold = write_settings(whole / "fold_1", folds=2, fold=1)
    final = write_settings(whole / "final", folds=2, fold="all")
    alone = write_settings(tmp_path / "alone", folds=0, fold=None)
    earlier = write_settings(tmp_path / "earlier", epochs=3)
    assert is_cross_validation(whole)
    assert not any(map(is_cross_validation, (fold, final, alone, earlier, tmp_path, tmp_path / "none")))
    assert [*map(resumed_with, (whole, fold, final, alone))] == [whole, whole, whole, alone]
    with pytest.raises(ValueError, match=r"cv exists: .* or resume that run with --resume"):
        create_run_folder(tmp_path, "cv")
    (fold / "config.json").write_text("{", encoding="utf-8")
    assert not is_cross_validation(fold)


def test_each_image_is_detected_by_the_model_of_its_fold(tmp_path, monkeypatch):
    """Models that find the fold as the label; the score is the number in the image's name."""
    records = [ImageRecord(f"/{number}.jpg", BOX, np.array([0])) for number in range(6)]
    images = build_index(records, ["a", "b", "c"])
    fold_of = np.array([2, 1, 1, 2, 1, 2])

    def load(weights, device):
        assert weights.name == "last.pt"
        return SimpleNamespace(
            detector=int(weights.parent.name.removeprefix("fold_")),
            image_size=(32, 32),
            class_names=("a", "b", "c"),
            autocast=None,
        )

    def detect(detector, index, *rest, processes):
        scores = [np.float32(int(index.path(number).stem) / 10) for number in range(len(index))]
        found = [Detections(BOX, np.array([score]), np.array([detector])) for score in scores]
        return DatasetDetections(found, [], {}, Stopwatch("loading"))

    monkeypatch.setattr(cross_validation, "load_trained", load)
    monkeypatch.setattr(cross_validation, "ready_for_inference", lambda trained, amp, check: trained)
    monkeypatch.setattr(cross_validation, "detect_dataset", detect)
    settings = {"folds": 2, "amp": "off", "batch_size": 4, "workers": 0}
    detections, metrics = detect_held_out(
        images, fold_of, tmp_path, settings, Processes(), torch.device("cpu")
    )
    assert [found.labels.tolist() for found in detections] == [[fold] for fold in fold_of]
    assert [found.scores[0] for found in detections] == pytest.approx([0, 0.1, 0.2, 0.3, 0.4, 0.5])
    assert [found.num_images for found in metrics] == [3, 3]
    other = build_index(records, ["a", "b", "d"])
    with pytest.raises(ValueError, match="was trained on other classes"):
        detect_held_out(other, fold_of, tmp_path, settings, Processes(), torch.device("cpu"))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([0.2, 0.4, 0.6], (0.4, 0.2)),  # sqrt((.04 + 0 + .04) / 2)
        ([0.2, math.nan, 0.6], (0.4, math.sqrt(0.08))),
        ([0.2], (0.2, math.nan)),
        ([math.nan], (math.nan, math.nan)),
    ],
)
def test_mean_and_standard_deviation(values, expected):
    assert spread(values) == pytest.approx(expected, nan_ok=True) and isinstance(spread(values), Spread)


def test_results_without_test_data(tmp_path, capsys):
    """Two images; the object of the first is found, and a second object on it that has no label."""
    images = build_index([ImageRecord(f"/{n}.jpg", BOX, np.array([0])) for n in "ab"], ["cat"])
    boxes = np.array([[0, 0, 10, 10], [50, 50, 70, 70]], np.float32)
    found = [Detections(boxes, np.array([0.9, 0.8], np.float32), np.array([0, 0])), Detections.empty()]
    folds = [
        evaluate(found[number : number + 1], select_images(images, np.arange(2) == number))
        for number in range(2)
    ]
    write_results(tmp_path, Result(images, found, folds, tmp_path / "final", 0))
    printed = capsys.readouterr().out
    rows = [line.split() for line in printed.splitlines()]
    assert ["standard", "deviation", "0.7071", "0.7071"] in rows  # of 1 and 0
    assert "final weights, test data" not in printed
    assert "a.jpg: missing, cat (0.80)" in printed
    assert f"predict.py IMAGE_OR_FOLDER --weights {tmp_path / 'final' / 'best.pt'}" in printed
    content = json.loads((tmp_path / "cross_validation.json").read_text("utf-8"))
    assert [fold["map50"] for fold in content["folds"]] == [1, 0]
    assert content["mean"]["map50"] == 0.5 and content["final"]["test"] is None
    assert content["out_of_fold"]["coco"]["map50"] == pytest.approx(51 / 101)  # recall .5 of 101 points
    assert content["label_errors"][0]["image"] == "/a.jpg"
    assert "each detected by the model" in (tmp_path / "report.html").read_text("utf-8")
