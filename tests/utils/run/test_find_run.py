"""The run to resume is found by path, by name, or as the newest."""

import json
import os

import pytest

from utils.run import find_run as module
from utils.run.find_run import find_run, run_to_resume


def test_which_run_to_resume(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for number, name in enumerate(("new", "old")):
        (tmp_path / "logs" / name).mkdir(parents=True)
        path = tmp_path / "logs" / name / "last.pt"
        path.touch()
        os.utime(path, (1000 - number, 1000 - number))
    logs = tmp_path / "logs"
    assert find_run("last", logs) == logs / "new"
    assert find_run("old", logs) == logs / "old" and find_run("logs/old", logs).resolve() == logs / "old"
    with pytest.raises(ValueError, match=r"--resume lost: there is no last\.pt in .*lost or .*lost"):
        find_run("lost", logs)
    with pytest.raises(ValueError, match="--resume last: there is no run"):
        find_run("last", tmp_path / "empty")


@pytest.fixture
def cross_validation(tmp_path):
    """A run of the time 1000, and a cross-validation whose second fold was saved at 1001."""
    for name, when in (("run", 1000), ("cv/fold_1", 999), ("cv/fold_2", 1001), ("other/fold_1", 1002)):
        (tmp_path / name).mkdir(parents=True)
        (tmp_path / name / "last.pt").touch()
        os.utime(tmp_path / name / "last.pt", (when, when))
    settings = {"config": {"folds": 2, "fold": None}}
    (tmp_path / "cv" / "config.json").write_text(json.dumps(settings), encoding="utf-8")
    return tmp_path / "cv"


def test_a_cross_validation_is_found_by_its_name_and_as_the_newest(cross_validation):
    logs = cross_validation.parent
    assert find_run("cv", logs) == find_run("last", logs) == cross_validation
    assert find_run("cv/fold_1", logs) == cross_validation / "fold_1"  # one run of it alone
    os.utime(logs / "run" / "last.pt", (1003, 1003))
    assert find_run("last", logs) == logs / "run"
    with pytest.raises(ValueError, match="--resume other"):
        find_run("other", logs)  # a folder with runs, but no cross-validation


@pytest.mark.parametrize("died_in", ["cv", "cv/fold_2", "cv/fold_3"])
def test_processes_that_torchrun_restarts_go_on_with_the_cross_validation(
    cross_validation, monkeypatch, died_in
):
    folder = cross_validation.parent / died_in  # before its first checkpoint, in the third
    monkeypatch.setattr(module, "folder_before_restart", lambda: folder)
    assert run_to_resume("", cross_validation.parent) == cross_validation
