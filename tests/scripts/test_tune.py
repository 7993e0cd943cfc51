"""tune.py as a user runs it: with trainings that only say what they would reach, and in short (slow)."""

import importlib
import json
import shlex

import pytest
import tyro

from tests.scripts.running import SIZE, accepted, refused, script
from utils.tune import trainings
from utils.tune.trainings import Trained, TrainingError

DATA = ["--train", "VOC2007:train", "--val", "2007_val.txt", "--classes", "VOC2007/classes.txt"]
START = ["--weights", "start.pt", "--image-size", SIZE, SIZE]


class FakeTrainer(trainings.Trainer):
    """Each training takes a minute; .003 is the best learning rate."""

    fails = ""

    def train(self, params, epochs, seed, name):
        if self.fails:
            raise TrainingError(self.fails)
        self.budget.before += 60
        self.budget.save()
        return Trained(0.5 - 20 * abs(params["lr"] - 0.003) + 0.0001 * seed, 60.0)

    def measure(self, params, seed, name):
        return self.train(params, self.epochs, seed, name)


@pytest.fixture
def here(home, tmp_path, monkeypatch):
    """The arguments of a search over the learning rate, from the folder of the data, with a fake trainer."""
    monkeypatch.setattr(trainings, "Trainer", FakeTrainer)
    monkeypatch.chdir(home)
    place = ["--output", tmp_path / "logs", "--name", "mine", "--search", "lr", "--epochs", 9]
    return [*DATA, *START, *place]


def command_in(folder):
    """The words of the command that the result recommends, and its result."""
    result = json.loads((folder / "result.json").read_text("utf-8"))
    words = shlex.split(result["command"])
    assert words[:2] == ["python", "train.py"]
    return tyro.cli(importlib.import_module("train").Config, args=words[2:]), result


def test_settings_are_found_and_the_search_goes_on(here, home, tmp_path, capsys, monkeypatch):
    folder = tmp_path / "logs" / "mine"
    output = accepted(capsys, "tune.py", *here, "--minutes", 40, "--flags=--flip 0", "--seeds", 2)
    assert "each trial trains anew for 1, then 3, then 9 epochs, and stops" in output
    assert "the validation data" in output and "optimistic" in output
    assert "the settings found are better by" in output
    assert "2 seeds" in output and "of 40 minutes used" in output
    config, result = command_in(folder)
    assert result["better"] and abs(config.optimization.lr - 0.003) < 0.002
    assert config.train == (f"{home / 'VOC2007'}:train",) and config.image_size == (SIZE, SIZE)
    assert (config.phases.epochs, config.augmentation.flip) == (9, 0)
    names = {path.name for path in folder.iterdir()} - {".lock"}
    assert names == {
        *("config.json", "study.log", "seconds_used.json", "trials.csv", "importance.png", "result.json"),
    }
    trials = (folder / "trials.csv").read_text("utf-8")

    assert "or go on with --resume" in refused(capsys, "tune.py", *here)
    monkeypatch.chdir(tmp_path)  # it goes on from any folder, with what was set
    assert "--epochs cannot change from 9 to 3" in refused(
        capsys, "tune.py", "--resume", folder, "--epochs", 3
    )
    more = accepted(capsys, "tune.py", "--resume", folder, "--minutes", 80)
    assert "all within 80 minutes, 4" in more, "the time before counts"
    assert (folder / "trials.csv").read_text("utf-8").startswith(trials)
    assert len((folder / "trials.csv").read_text("utf-8")) > len(trials)


def test_defaults_that_cannot_be_beaten_are_kept(here, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(FakeTrainer, "measure", lambda self, params, seed, name: Trained(0.4, 60.0))
    accepted(capsys, "tune.py", *here, "--minutes", 40, "--test", "2007_val.txt")
    config, result = command_in(tmp_path / "logs" / "mine")
    assert not result["better"] and config.optimization.lr is None
    assert [result["defaults"], result["found"]] == [[0.4] * 3, [0.4] * 3]
    assert config.test and config.test == tuple(result["measured_on"])


def test_code_that_only_the_folder_names_is_not_run(here, tmp_path, capsys):
    mine = tmp_path / "mine.py"
    mine.write_text("def augment(*given):\n    return given[:3]\n", "utf-8")
    flags = f"--flags=--augment-file {mine}"
    accepted(capsys, "tune.py", *here, "--minutes", 40, flags)
    folder = tmp_path / "logs" / "mine"
    for other in ([], ["--flags=--flip 0"]):
        message = refused(capsys, "tune.py", "--resume", folder, "--minutes", 80, *other)
        assert f"--augment-file {mine}" in message and "is not run" in message
    accepted(capsys, "tune.py", "--resume", folder, "--minutes", 80, flags)


def test_mistakes_are_answered(here, tmp_path, capsys, monkeypatch):
    def message(*arguments):
        return refused(capsys, "tune.py", *here, *arguments)

    assert "--seeds must be at least 2" in message("--seeds", 1)
    assert "--minutes must be above 0" in message("--minutes", 0)
    assert "--search momentum: choose from lr, weight_decay" in message("--search", "momentum")
    assert "--flags cannot hold --epochs" in message("--flags=--epochs 3")
    found = message("--train", "nothing.txt", "--image-size", 60, 64)
    assert "nothing.txt" in found and "must be a multiple of 32" in found
    assert "--minutes 5 is too short" in message("--minutes", 5, "--name", "short")
    assert "there is no search in" in refused(capsys, "tune.py", "--resume", tmp_path / "nothing")
    monkeypatch.setattr(FakeTrainer, "fails", "--freeze names no stage")
    assert "training with the defaults failed: --freeze names no stage" in message()


def test_without_optuna_it_says_what_to_install(here, capsys, monkeypatch):
    monkeypatch.setattr("utils.system.validation.find_spec", lambda name: None)
    assert "pip install optuna" in refused(capsys, "tune.py", *here)


def test_changed_data_is_refused(here, home, tmp_path, capsys):
    lines = (home / "2007_val.txt").read_text("utf-8").splitlines(keepends=True)
    mine = tmp_path / "mine.txt"
    mine.write_text("".join(lines), "utf-8")
    accepted(capsys, "tune.py", *here, "--val", mine, "--minutes", 20)
    mine.write_text("".join(lines[:-1]), "utf-8")
    found = refused(capsys, "tune.py", "--resume", tmp_path / "logs" / "mine", "--minutes", 40)
    assert "the val data has changed" in found and "start a new search" in found


def test_files_of_others_are_checked(here, tmp_path, capsys):
    folder = tmp_path / "logs" / "mine"
    accepted(capsys, "tune.py", *here, "--minutes", 20)
    config = json.loads((folder / "config.json").read_text("utf-8"))
    config["config"]["minutes"] = "many"
    (folder / "config.json").write_text(json.dumps(config), "utf-8")
    assert "minutes is 'many'" in refused(capsys, "tune.py", "--resume", folder)


@pytest.mark.slow
def test_a_real_search(home, tmp_path):
    """Three trials and a comparison; each training starts PyTorch anew: a minute on two cores."""
    place = ["--output", tmp_path, "--name", "mine", "--epochs", 1, "--seeds", 2, "--search", "box_loss"]
    options = ["--flags=--batch-size 4 --freeze-batch-size 4 --workers 0 --device cpu", "--minutes", 60]
    done = script("tune.py", *DATA, *START, *place, *options, cwd=home)
    assert "trial 1: defaults" in done.stdout and "train with" in done.stdout
    assert "all settings were tried" in done.stdout, "it did not wait for the end of its budget"
    assert {path.name for path in (tmp_path / "mine" / "trainings").iterdir()} == set()
    command_in(tmp_path / "mine")
