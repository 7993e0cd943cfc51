"""The folder of a search."""

import pytest

from utils.run.folder import write_config
from utils.tune.folder import create_folder, find_folder, require_same
from utils.tune.study import JOURNAL


def test_nothing_is_overwritten(tmp_path):
    folder = create_folder(tmp_path / "logs", "mine")
    with pytest.raises(ValueError, match=r"mine exists: choose another --name$"):
        create_folder(tmp_path / "logs", "mine")
    (folder / JOURNAL).touch()
    with pytest.raises(ValueError, match=r"or go on with --resume .*mine"):
        create_folder(tmp_path / "logs", "mine")
    assert create_folder(tmp_path, "").name.startswith("tune_")


def test_a_search_is_found_by_path_or_name(tmp_path, monkeypatch):
    (tmp_path / "logs" / "mine").mkdir(parents=True)
    with pytest.raises(ValueError, match="--resume mine: there is no search in"):
        find_folder("mine", tmp_path / "logs")
    (tmp_path / "logs" / "mine" / "config.json").touch()
    assert find_folder("mine", tmp_path / "logs") == tmp_path / "logs" / "mine"
    monkeypatch.chdir(tmp_path / "logs")
    assert find_folder("mine", tmp_path / "other") == tmp_path / "logs" / "mine"


def test_the_budget_may_change_but_not_the_search(tmp_path):
    before = {"minutes": 10, "seeds": 2, "epochs": 12, "weights": "a.pt"}
    write_config(tmp_path, before, {})
    require_same(before, before | {"minutes": 99, "seeds": 5}, tmp_path, {})
    with pytest.raises(ValueError, match="--epochs cannot change from 12 to 13 within a search"):
        require_same(before, before | {"epochs": 13}, tmp_path, {})
