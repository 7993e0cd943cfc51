"""get_map.py as a user runs it: the figures are those that the training wrote."""

import csv
import json
import re
import shutil
from pathlib import Path

import pytest

from tests.helpers import SHARED, needs_shared
from tests.scripts.running import CLASSES, accepted, refused, script


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
    assert "metrics.json" in output and "images/s; milliseconds per image: loading " in output
    assert {path.name for path in folder.glob("*.png")} == {
        f"{n}.png" for n in ("precision", "recall", "f1", "pr")
    }
    assert len((folder / "images.csv").read_text("utf-8").splitlines()) == 7
    assert "VOC mAP lost to each kind of error" in output and "(bootstrap, 1000 resamples)" in output


def test_the_report_holds_the_figures_and_the_images(trained_run, measured):
    found = json.loads((measured[1] / "metrics.json").read_text(encoding="utf-8"))
    page = (measured[1] / "report.html").read_text(encoding="utf-8")
    data = json.loads(re.search(r'<script type="application/json" id="data">(.*?)</script>', page)[1])
    assert data["summary"]["map50"] == round(found["coco"]["map50"], 4)
    assert data["classes"] == list(CLASSES) and data["worstImages"]
    assert found["analysis"]["confusion"]["matrix"] == data["confusion"]
    run = (trained_run.folder / "report.html").read_text(encoding="utf-8")
    assert '"history":{"epoch":[1.0,2.0]' in run


@pytest.fixture(scope="module")
def saved(trained_run):
    """The same with both sides written to files, and thresholds stored in a copy of the weights."""
    weights = trained_run.home / "copy.pt"
    shutil.copyfile(trained_run.folder / "last.pt", weights)
    options = ["--save-json", "--save-txt", "--store-thresholds", "--resamples", 0, "--output", "saved"]
    source = ["--weights", weights, "--data", "2007_val.txt", "--device", "cpu"]
    done = script("get_map.py", *source, *options, cwd=trained_run.home)
    return done.stdout, trained_run.home / "saved", weights


@pytest.mark.parametrize(
    ("truth", "detections"),
    [
        ("ground_truth.json", "detections.json"),
        ("ground-truth", "detection-results"),
        ("ground_truth.json", "detection-results"),
        ("../2007_val.txt", "detections.json"),
    ],
)
def test_files_give_the_figures_of_the_model(saved, measured, monkeypatch, capsys, truth, detections):
    monkeypatch.chdir(saved[1])
    options = [
        "--ground-truth",
        truth,
        "--detections",
        detections,
        "--output",
        f"again {truth[-9:]} {detections}",
    ]
    classes = ["--classes", "../VOC2007/classes.txt"] if "json" not in truth else []
    accepted(capsys, "get_map.py", *options, *classes, "--resamples", 0)
    again = json.loads((Path(options[-1]) / "metrics.json").read_text("utf-8"))
    expected = json.loads((measured[1] / "metrics.json").read_text("utf-8"))
    for name in ("coco", "voc_area", "voc07_11point", "per_class"):
        assert again[name] == expected[name], name


def test_stored_thresholds_are_used(saved, capsys, tmp_path):
    output, folder, weights = saved
    best = json.loads((folder / "metrics.json").read_text("utf-8"))["best_f1_confidence"]
    assert f"stored in {weights}: confidence {best:.3f}" in output
    image = next((folder.parent / "VOC2007" / "JPEGImages").iterdir())
    source = [image, "--weights", weights, "--device", "cpu", "--output", tmp_path]
    assert f"confidence {best:.3g}\n" in accepted(capsys, "predict.py", *source)
    assert "confidence 0.9\n" in accepted(capsys, "predict.py", *source, "--confidence", 0.9)
    by_class = accepted(capsys, "predict.py", *source, "--confidence", "best-by-class")
    (line,) = [line for line in by_class.splitlines() if line.startswith("confidence ")]
    assert any(f"{name} 0." in line for name in ("杯子", "鱼", "house 房子", "key", "树"))


def test_two_results_are_compared(saved, capsys, tmp_path):
    folder = saved[1]
    entries = json.loads((folder / "detections.json").read_text("utf-8"))
    worse = tmp_path / "worse.json"
    worse.write_text(json.dumps([e for e in entries if e["image_id"] == 1]), "utf-8")
    files = ["--ground-truth", folder / "ground_truth.json", "--detections", folder / "detections.json"]
    output = accepted(
        capsys, "get_map.py", *files, "--compare", worse, "--output", tmp_path, "--resamples", 100
    )
    line = next(line for line in output.splitlines() if " mAP50 (95 % interval" in line)
    assert line.startswith(f"{folder / 'detections.json'} is ") and f"{worse} by " in line
    assert line in json.loads((tmp_path / "metrics.json").read_text("utf-8"))["comparison"].values()
    assert f"<p>{line}.</p>" in (tmp_path / "report.html").read_text("utf-8")


@needs_shared
def test_the_example_of_pycocotools_to_all_digits(tmp_path, capsys):
    folder = SHARED / "data" / "eval_cocoapi"
    truth, found = "instances_val2014_100.json", "instances_val2014_fakebbox100_results.json"
    files = ["--ground-truth", folder / truth, "--detections", folder / found]
    accepted(capsys, "get_map.py", *files, "--output", tmp_path, "--resamples", 0)
    figures = json.loads((tmp_path / "metrics.json").read_text("utf-8"))["coco"]
    expected = {
        **{"map": 0.5045807, "map50": 0.6969727, "map75": 0.5729817},
        **{"small": 0.5856257, "medium": 0.5193997, "large": 0.5013979},
        **{"ar1": 0.3868128, "ar10": 0.5936796, "ar100": 0.5953530},
        **{"ar_small": 0.6398110, "ar_medium": 0.5664206, "ar_large": 0.5642906},
    }
    assert {name: round(figures[name], 7) for name in expected} == expected


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ([], "nothing to evaluate: give --weights, or --ground-truth and --detections"),
        (["--detections", "a.json"], "go together"),
        (["--ground-truth", "a.json"], "go together"),
        (["--weights", "a.pt", "--ground-truth", "a", "--detections", "b"], "remove --weights"),
        (["--ground-truth", "a", "--detections", "b", "--store-thresholds"], "--store-thresholds"),
        (["--ground-truth", "gone.json", "--detections", "gone.json"], "gone.json does not exist"),
    ],
)
def test_what_does_not_go_together(tmp_path, monkeypatch, capsys, options, complaint):
    monkeypatch.chdir(tmp_path)
    message = refused(capsys, "get_map.py", *options)
    assert complaint in message and message.count("\n") == 1


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"image_id": 99}, "entry 2 has the image_id 99, which the ground truth does not have"),
        ({"category_id": 99}, "entry 2 has the category_id 99, which the ground truth does not have"),
        ({"score": float("nan")}, "entry 2 has the score nan, which is no finite number"),
        ({"bbox": [9, 9, -4, 2]}, "entry 2 has the bbox [9, 9, -4, 2] with a negative side"),
    ],
)
def test_bad_detections_are_refused_in_a_sentence(saved, capsys, tmp_path, change, complaint):
    entries = json.loads((saved[1] / "detections.json").read_text("utf-8"))
    path = tmp_path / "d.json"
    path.write_text(json.dumps([entries[0], entries[1] | change, *entries[2:]]), "utf-8")
    files = ["--ground-truth", saved[1] / "ground_truth.json", "--detections", path]
    message = refused(capsys, "get_map.py", *files, "--output", tmp_path / "out")
    assert complaint in message and message.count("\n") == 1 and not (tmp_path / "out").exists()


def test_a_file_cut_in_half_is_refused_in_a_sentence(saved, capsys, tmp_path):
    for name in ("ground_truth.json", "detections.json"):
        text = (saved[1] / name).read_text("utf-8")
        (tmp_path / name).write_text(text[: len(text) // 2], "utf-8")
    for truth, found in ((tmp_path, saved[1]), (saved[1], tmp_path)):
        files = ["--ground-truth", truth / "ground_truth.json", "--detections", found / "detections.json"]
        message = refused(capsys, "get_map.py", *files, "--output", tmp_path / "out")
        assert "is not complete JSON" in message and message.count("\n") == 1


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
