"""get_map.py as a user runs it: the figures are those that the training wrote."""

import csv
import json

import pytest

from tests.scripts.running import CLASSES, accepted, script


@pytest.fixture(scope="module")
def measured(trained_run):
    """What it printed about the last weights on the validation data, and its folder."""
    weights = trained_run.folder / "last.pt"
    done = script(
        "get_map.py", "--weights", weights, "--data", "2007_val.txt", "--device", "cpu", cwd=trained_run.home
    )
    return done.stdout, trained_run.home / "map_out"


def test_figures_equal_those_of_the_training(trained_run, measured):
    with (trained_run.folder / "metrics.csv").open(encoding="utf-8") as file:
        last = list(csv.DictReader(file))[-1]
    found = json.loads((measured[1] / "metrics.json").read_text(encoding="utf-8"))
    assert found["coco"]["map50"] == float(last["map50"]) > 0
    assert found["coco"]["map"] == float(last["map50_95"]) > 0


def test_metrics_json_follows_the_contract(measured):
    found = json.loads((measured[1] / "metrics.json").read_text(encoding="utf-8"))
    for name in ("voc07_11point", "voc_area"):
        assert list(found[name]["per_class"]) == list(CLASSES) and 0 <= found[name]["map"] <= 1
    coco = {"map", "map50", "map75", "small", "medium", "large", "ar1", "ar10", "ar100"}
    assert found["coco"].keys() >= coco
    assert found.keys() >= {"precision", "recall", "f1", "best_f1", "best_f1_confidence"}


def test_what_it_prints_and_writes(measured):
    output, folder = measured
    table = (folder / "metrics.txt").read_text(encoding="utf-8")
    assert table in output + "\n" and all(name in table for name in CLASSES)
    assert "metrics.json" in output
    assert list(folder.glob("*.png"))


def test_neither_batches_nor_parts_change_the_figures(trained_run, measured, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(trained_run.home)
    lines = (trained_run.home / "2007_val.txt").read_text("utf-8").splitlines(keepends=True)
    parts = [tmp_path / "one.txt", tmp_path / "two.txt"]
    for part, half in zip(parts, (lines[:2], lines[2:]), strict=True):
        part.write_text("".join(half), "utf-8")
    options = ["--batch-size", 3, "--workers", 0, "--output", tmp_path, "--device", "cpu"]
    weights = ["--weights", trained_run.folder / "last.pt", "--data", *parts]
    accepted(capsys, "get_map.py", *weights, *options)
    first, second = (
        json.loads((path / "metrics.json").read_text("utf-8")) for path in (measured[1], tmp_path)
    )
    assert second["coco"]["map50"] == pytest.approx(first["coco"]["map50"], rel=1e-3)
