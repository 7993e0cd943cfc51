"""The run to resume is found by path, by name, or as the newest."""

import os

import pytest

from utils.run.find_run import find_run


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
