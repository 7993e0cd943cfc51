"""The learning benchmark: its statistics on values by hand, and a training in short (slow)."""

import importlib
import json
import math
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils.sample.writer import write_sample_data


@pytest.fixture
def results(monkeypatch):
    monkeypatch.syspath_prepend(ROOT / "benchmarks")
    return importlib.import_module("learning_results")


@pytest.fixture
def learning(results):
    return importlib.import_module("learning")


def outcomes(results, *aps):
    return [results.Outcome(ap, 2 * ap, math.nan, ap, ap, 10.0) for ap in aps]


def test_intervals_are_those_of_students_t(results):
    mean, half = results.interval([1.0, 2.0, 3.0])
    assert mean == 2 and half == pytest.approx(4.30 / math.sqrt(3), abs=0.01)
    mean, half = results.interval([5.0])
    assert mean == 5 and math.isnan(half)


def test_a_loss_beyond_what_seeds_differ_by_is_told(results):
    kept = {"case": outcomes(results, 0.50, 0.51, 0.52)}
    # Variances of .0001 in both: two standard errors of the difference are 2 * sqrt(.0002 / 3) = .0163.
    (line,) = results.losses({"case": {"boxwright": outcomes(results, 0.48, 0.49, 0.50)}}, kept)
    assert line == "case: 2.0 points of AP lost; seeds differ by 1.6"
    assert not results.losses({"case": {"boxwright": outcomes(results, 0.49, 0.50, 0.51)}}, kept)
    assert not results.losses({"case": {"boxwright": outcomes(results, 0.60, 0.61, 0.62)}}, kept)
    assert not results.losses({"other": {"boxwright": outcomes(results, 0.1, 0.1)}}, kept)
    assert not results.losses({"case": {"boxwright": outcomes(results, 0.1)}}, kept)  # one seed says nothing


def test_what_is_kept_is_read_again(results, tmp_path):
    path = tmp_path / "learning.json"
    assert results.read_kept(path) == {}
    results.keep(path, {"a": {"boxwright": outcomes(results, 0.5), "peer": outcomes(results, 0.4)}})
    results.keep(path, {"b": {"boxwright": outcomes(results, 0.25)}})
    kept = results.read_kept(path)
    assert [kept[name][0].ap for name in ("a", "b")] == [0.5, 0.25] and math.isnan(kept["a"][0].small)
    assert json.loads(path.read_text())["a"][0]["small"] is None


def test_the_table(results):
    table = results.table({"yolox_nano": {"boxwright": outcomes(results, 0.50, 0.51, 0.52)}})
    head, row = table.splitlines()
    assert head.split() == ["AP", "AP50", "small", "medium", "large", "seconds"]
    rest = ["102.0", "±", "5.0", "-", "51.0", "51.0", "10"]
    assert row.split() == ["yolox_nano:", "boxwright", "51.0", "±", "2.5", *rest]


@pytest.mark.parametrize("text", ["nothing", "mine=a,b", "mine=a,b,c,d,e"])
def test_sets_that_are_not_known(learning, text):
    with pytest.raises(ValueError, match="name=train,val,test"):
        learning.cases_of(learning.Config(sets=(text,)))


def test_cases_are_all_combinations(learning, tmp_path):
    config = learning.Config(sets=("bccd", "mine=a,b,c"), models=("yolox_nano", "yolox_s"), data=tmp_path)
    cases = learning.cases_of(config)
    assert [(case.name, case.model, case.epochs) for case in cases] == [
        ("bccd", "yolox_nano", 15),
        ("bccd", "yolox_s", 15),
        ("mine", "yolox_nano", 12),
        ("mine", "yolox_s", 12),
    ]
    assert cases[0].data.train == f"{tmp_path}/bccd/VOCdevkit/VOC2007:train"
    assert cases[2].data == learning.DataSet("a", "b", ("c",))


@pytest.mark.slow
def test_it_trains_and_compares(tmp_path):
    write_sample_data(tmp_path, splits={"train": 16, "val": 4, "test": 4})
    year, kept = tmp_path / "VOC2007", tmp_path / "kept.json"
    specs = ",".join([*(f"{year}:{split}" for split in ("train", "val", "test")), str(year / "classes.txt")])
    peer = """peer=echo '{{"ap": 0.5, "ap50": 0.9, "seconds": 7}}'"""
    options = ["--sets", f"mine={specs}", "--weights", "none", "--image-size", "64", "--epochs", "1"]
    more = ["--seeds", "2", "--peers", peer, "--kept", str(kept), "--update", "--flags=--device cpu"]
    done = subprocess.run(
        [sys.executable, "benchmarks/learning.py", *options, *more], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    *lines, _, ours, theirs = done.stdout.splitlines()
    assert [json.loads(line)["of"] for line in lines] == ["boxwright", "peer"] * 2
    assert "scratch, 64 px, 1 epochs, --device cpu: boxwright" in ours and "50.0 ± 0.0" in theirs
    (rows,) = json.loads(kept.read_text()).values()
    assert len(rows) == 2 and all(0 <= row["ap"] <= 1 for row in rows)
    kept.write_text(kept.read_text().replace('"ap": 0.0', '"ap": 0.5'))
    done = subprocess.run(
        [sys.executable, "benchmarks/learning.py", *options, *more], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1 and "50.0 points of AP lost" in done.stderr
