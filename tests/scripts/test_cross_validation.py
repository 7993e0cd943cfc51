"""Cross-validation as a user runs it, interrupted, on two processes, and with wrong flags."""

import csv
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers import ROOT
from tests.scripts.running import SIZE, accepted, refused, script
from tests.scripts.test_torchrun import TORCHRUN
from tests.utils.train.tiny_training import same_bits
from train import Config, complete, read_all_data
from utils.data.settings import DataSettings
from utils.system.settings import check_ranges
from utils.weights.checkpoint import load_checkpoint

OPTIONS = ["--image-size", SIZE, SIZE, "--epochs", 2, "--freeze-epochs", 0, "--batch-size", 4, "--lr", 0.001]
OPTIONS += ["--scale", 1, 1, "--translate", 0, "--brightness", 0, "--mosaic", 0, "--cache", "off"]
OPTIONS += ["--workers", 0, "--device", "cpu", "--amp", "off", "--save-steps", 1]
RUNS = ("fold_1", "fold_2", "final")


def flags_of(home, output, *more):
    """The flags of a cross-validation of two folds, of eight and six images together."""
    data = ["--train", home / "VOC2007:train", "--val", home / "2007_val.txt"]
    data += ["--classes", home / "VOC2007" / "classes.txt", "--weights", home / "start.pt"]
    names = ["--folds", 2, "--output", output, "--name", "cv"]
    return [*map(str, [*data, *OPTIONS, *names, *more])]


def figures(folder):
    """The content of cross_validation.json, without the place of the final weights."""
    content = json.loads((folder / "cross_validation.json").read_text("utf-8"))
    content["final"].pop("weights")
    return content


def assert_same(folder, whole):
    assert figures(folder) == figures(whole)
    for name in RUNS:
        found, expected = (load_checkpoint(path / name / "last.pt") for path in (folder, whole))
        assert same_bits(found["ema"], expected["ema"]), name
        assert (found["epoch"], found["step"]) == (expected["epoch"], expected["step"])


def last_row(folder):
    with (folder / "metrics.csv").open(encoding="utf-8") as file:
        return [*csv.DictReader(file)][-1]


@pytest.fixture(scope="module")
def whole(home, tmp_path_factory):
    """A cross-validation that nobody disturbed: its folder, and what it printed."""
    output = tmp_path_factory.mktemp("whole")
    return output / "cv", script("train.py", *flags_of(home, output), cwd=home).stdout


def test_it_says_before_what_it_does_and_what_comes_next(whole):
    folder, printed = whole
    start = printed[: printed.index("\nfold_1\n")]
    assert "2 folds, 2 epochs on 7 images each, then a final training on all 14" in start
    assert "about 4.0 times as long as the first fold" in start
    assert re.search(r"about [\d.]+ min left for the other 2 trainings", printed)
    assert "the model that was not trained on it" in printed and "next:" in printed
    assert f"predict.py IMAGE_OR_FOLDER --weights {folder / 'final' / 'best.pt'}" in printed


def test_figures_of_the_folds_are_those_of_their_last_epochs(whole):
    folder, _ = whole
    content = json.loads((folder / "cross_validation.json").read_text("utf-8"))
    expected = [last_row(folder / name) for name in RUNS[:2]]
    for name in ("map50", "map50_95"):
        values = [float(row[name]) for row in expected]
        assert [fold[name] for fold in content["folds"]] == pytest.approx(values, abs=1e-12)
        assert content["mean"][name] == pytest.approx(sum(values) / 2)
        assert content["standard_deviation"][name] == pytest.approx(abs(values[0] - values[1]) / 2**0.5)
    assert max(fold["map50"] for fold in content["folds"]) > 0
    together = content["out_of_fold"]
    assert together["images"] == sum(fold["images"] for fold in content["folds"]) == 14
    assert (folder / "report.html").is_file() and content["final"]["test"] is None


def test_the_final_weights_are_of_the_last_epoch_on_all_images(whole):
    folder, printed = whole
    config = json.loads((folder / "final" / "config.json").read_text("utf-8"))
    assert config["config"]["fold"] == "all" and config["data"]["train"]["images"] == 14
    best, last = (load_checkpoint(folder / "final" / name) for name in ("best.pt", "last.pt"))
    assert best["epoch"] == 2 and same_bits(best["ema"], last["ema"])
    final = printed[printed.index("\nfinal\n") :]
    assert "notice: these are the training images" in final
    assert "notice: these are the training images" not in printed[: printed.index("\nfinal\n")]


def test_a_fold_alone_is_the_same(home, whole, tmp_path, capsys):
    output = accepted(capsys, "train.py", *flags_of(home, tmp_path, "--fold", 2))
    assert "train: 7 images" in output and "val: 7 images" in output
    found, expected = (load_checkpoint(path / "last.pt") for path in (tmp_path / "cv", whole[0] / "fold_2"))
    assert same_bits(found["ema"], expected["ema"])


def test_stopped_within_a_fold_it_goes_on_there(home, whole, tmp_path):
    line = [sys.executable, str(ROOT / "train.py"), *flags_of(home, tmp_path)]
    process = subprocess.Popen(line, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    wait_for(process, tmp_path / "cv" / "fold_2" / "last.pt")
    process.send_signal(signal.SIGTERM)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 143
    assert errors.strip().endswith(f"resume with: python train.py --resume {tmp_path / 'cv'}")
    first = tmp_path / "cv" / "fold_1" / "last.pt"
    before = first.stat().st_mtime_ns
    done = script("train.py", "--resume", tmp_path / "cv", cwd=home)
    assert "fold_1 is finished" in done.stdout and first.stat().st_mtime_ns == before
    assert_same(tmp_path / "cv", whole[0])


def test_killed_between_folds_it_goes_on_with_the_next(home, whole, tmp_path):
    """As if killed when the folder of the second fold was made; found as the newest run."""
    folder = tmp_path / "cv"
    shutil.copytree(whole[0], folder)
    for name in ("cross_validation.json", "report.html"):
        (folder / name).unlink()
    for name in RUNS[1:]:
        shutil.rmtree(folder / name)
    (folder / "fold_2").mkdir()
    (folder / "fold_2" / "config.json").touch()
    done = script("train.py", "--resume", "last", "--output", tmp_path, cwd=home)
    assert "fold_1 is finished" in done.stdout
    assert_same(folder, whole[0])


def test_finished_it_is_evaluated_again(whole, tmp_path, capsys):
    folder = tmp_path / "cv"
    shutil.copytree(whole[0], folder)
    (folder / "cross_validation.json").unlink()
    output = accepted(capsys, "train.py", "--resume", folder, "--workers", 1)
    assert all(f"\n{name} is finished" in output for name in RUNS)
    assert figures(folder) == figures(whole[0])


@pytest.mark.slow
def test_two_processes_of_which_one_dies(home, tmp_path):
    launcher = [*TORCHRUN, "--max-restarts", "1"]
    line = [*launcher, str(ROOT / "train.py"), *flags_of(home, tmp_path)]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen(line, env=environment, text=True, **streams)
    wait_for(process, tmp_path / "cv" / "fold_2" / "last.pt")
    children = subprocess.run(["pgrep", "-P", str(process.pid)], capture_output=True, text=True, check=True)
    os.kill(int(children.stdout.split()[-1]), signal.SIGKILL)
    printed, errors = process.communicate(timeout=300)
    assert process.returncode == 0, errors
    assert printed.count("fold_1 is finished") == 1
    assert [load_checkpoint(tmp_path / "cv" / name / "last.pt")["epoch"] for name in RUNS] == [2, 2, 2]
    for name, fold in zip(RUNS, figures(tmp_path / "cv")["folds"], strict=False):
        row = last_row(tmp_path / "cv" / name)
        assert fold["map50_95"] == pytest.approx(float(row["map50_95"]), abs=1e-12) and fold["images"] == 7


def wait_for(process, path):
    while not path.exists():
        assert process.poll() is None, "it ended before"
        time.sleep(0.02)


def test_the_preview_is_of_all_images(home, tmp_path, capsys):
    output = accepted(capsys, "train.py", *flags_of(home, tmp_path, "--preview"))
    assert "train: 14 images" in output
    assert {path.name for path in (tmp_path / "cv").iterdir()} == {
        f"phase_{phase}_batch_{batch}.jpg" for phase in (1, 2) for batch in (1, 2)
    }


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--folds", 15], "--folds 15: only 14 of 14 images have objects to learn from"),
        (["--folds", 1], "--folds must be 0, or at least 2, not 1"),
        (["--fold", 3], "--fold 3 is not one of --folds 2: give a number from 1 to 2, or all"),
        (["--fold", 0], "--fold must be from 1 to --folds, or all, not 0"),
        (["--folds", 0, "--fold", 1], "--fold 1 needs the number of folds: give --folds too"),
        (["--patience", 2], "--patience ends a training by the metrics of the images held out"),
        (["--minutes", 1], "--minutes is the length of one training, not of a cross-validation"),
    ],
)
def test_flags_that_cannot_be(home, tmp_path, capsys, flags, message):
    assert message in refused(capsys, "train.py", *flags_of(home, tmp_path, *flags))
    assert not (tmp_path / "cv").exists()


def test_what_cannot_change_when_it_goes_on(whole, tmp_path, capsys):
    folder = whole[0]
    before = {path: path.stat().st_mtime_ns for path in folder.rglob("*")}
    for flags, message in (
        (["--epochs", 3], "--epochs cannot change from 2 to 3 within a cross-validation"),
        (["--fold", 1], "--fold cannot change from automatic to 1 within a cross-validation"),
    ):
        assert message in refused(capsys, "train.py", "--resume", folder, *flags)
    message = refused(capsys, "train.py", "--resume", folder / "fold_1", "--folds", 0, "--fold", 1)
    assert "--folds cannot change from 2 to 0 within a run: it determines which images" in message
    assert {path: path.stat().st_mtime_ns for path in folder.rglob("*")} == before


def test_other_data_needs_a_new_one(home, whole, tmp_path, capsys):
    path = home / "2007_val.txt"
    text = path.read_text("utf-8")
    path.write_text("\n".join(text.splitlines()[:5]) + "\n", "utf-8")
    try:
        message = refused(capsys, "train.py", "--resume", whole[0])
    finally:
        path.write_text(text, "utf-8")
    assert "the train data has changed" in message and "Start a new cross-validation" in message


def test_an_error_before_the_first_checkpoint_leaves_nothing(home, tmp_path, capsys, monkeypatch):
    def fail(*arguments):
        raise ValueError("it cannot be")

    monkeypatch.setattr("utils.run.prepare.create_run_folder", fail)
    assert "it cannot be" in refused(capsys, "train.py", *flags_of(home, tmp_path))
    assert not (tmp_path / "cv").exists()


# What is trained on


def read(home, folds=0, fold=None, **changes):
    config = Config(
        train=(f"{home / 'VOC2007'}:train",),
        classes=home / "VOC2007" / "classes.txt",
        data=DataSettings(folds=folds, fold=fold, **changes.pop("data", {})),
        **changes,
    )
    return read_all_data(complete(config))


def test_folds_are_of_both_data_sets_and_divide_them(home):
    val = (str(home / "2007_val.txt"),)
    everything = read(home, 3, "all", val=val)
    parts = [read(home, 3, fold, val=val) for fold in (1, 2, 3)]
    held_out = [path for part in parts for path in part["val"].paths()]
    assert sorted(held_out) == sorted(everything["train"].paths()) and len({*held_out}) == 14
    for part in parts:
        assert {*part["train"].paths()} == {*held_out} - {*part["val"].paths()}
    assert everything["val"] is everything["train"]
    tested = read(home, 3, "all", val=val, test=val)
    assert len(tested["val"]) == len(tested["test"]) == 6


def test_training_data_alone_and_the_same_data_twice(home):
    train = (f"{home / 'VOC2007'}:train",)
    for val in (Config.val, (), train):
        assert len(read(home, 2, "all", val=val)["train"]) == 8
    assert len(read(home, 2, "all", data={"fraction": 0.5})["train"]) == 4
    with pytest.raises(ValueError, match="--train and --val each name at least one data set"):
        read(home, val=())


@pytest.mark.parametrize("settings", [{"folds": 1}, {"folds": -1}, {"folds": 2, "fold": -1}])
def test_settings_out_of_range(settings):
    with pytest.raises(ValueError, match="--fold"):
        check_ranges(Config(data=DataSettings(**settings)))
