"""The folder of a run: never overwritten, and readable."""

import json
import re
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from utils.data.index import ImageRecord, build_index
from utils.run.folder import (
    changed_data,
    create_run_folder,
    hash_index,
    read_config,
    write_config,
)


def make_index(root="/data", label=0, name="猫.jpg"):
    box = np.array([[1, 2, 3, 4]], np.float32)
    return build_index([ImageRecord(f"{root}/{name}", box, np.array([label], np.int32))], ["猫", "dog"])


def test_a_run_is_never_overwritten(tmp_path):
    folder = create_run_folder(tmp_path / "logs", "first")
    assert folder == tmp_path / "logs" / "first" and folder.is_dir()
    with pytest.raises(ValueError, match=r"first exists: choose another --name, or remove it"):
        create_run_folder(tmp_path / "logs", "first")
    (folder / "last.pt").touch()
    with pytest.raises(ValueError, match=r"first exists: choose another --name, or .*--resume .*first"):
        create_run_folder(tmp_path / "logs", "first")


def test_without_a_name_it_is_the_time(tmp_path):
    names = {create_run_folder(tmp_path, "").name for _ in range(3)}  # of one second, or of two
    assert len(names) == 3
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\d_\d\d-\d\d-\d\d(_[23])?", name) for name in names)


def test_data_that_has_changed_is_named_with_its_counts(tmp_path):
    write_config(tmp_path, {}, {"train": make_index(), "val": make_index()})
    changed = build_index([*[ImageRecord("/data/猫.jpg")] * 2], ["猫", "dog"])
    assert changed_data(tmp_path, {"train": make_index(), "val": changed, "test": changed}) == [
        "the val data has changed since the run was started: 2 images and 0 objects, 1 and 1 before"
    ]


def test_config_holds_what_was_set(tmp_path):
    config = {"classes": Path("a") / "类.txt", "image_size": (64, 96), "lr": None, "epochs": 3}
    write_config(tmp_path, config, {"train": make_index(), "val": make_index()})
    text = (tmp_path / "config.json").read_text("utf-8")
    found = json.loads(text)
    assert found["config"] == {
        "classes": str(Path("a") / "类.txt"),
        "image_size": [64, 96],
        "lr": None,
        "epochs": 3,
    }
    assert "类" in text
    assert found["data"]["train"] == {"images": 1, "objects": 1, "sha256": hash_index(make_index())}
    assert found["versions"].keys() >= {"python", "torch", "numpy"}
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


def test_the_hash_follows_the_data_and_not_where_it_lies():
    first = hash_index(make_index())
    assert hash_index(make_index(root="/elsewhere")) == first
    changed = make_index()
    others = [
        make_index(label=1),
        make_index(name="b.jpg"),
        replace(changed, class_names=("猫", "fox")),
        replace(changed, boxes=changed.boxes + 1),
        replace(changed, difficult=~changed.difficult),
    ]
    assert len({first, *map(hash_index, others)}) == 1 + len(others)


@dataclass(frozen=True)
class Settings:
    """Fields of all the kinds that scripts have."""

    train: tuple[str, ...] = ("a",)
    test: tuple[str, ...] = ()
    classes: Path | None = None
    output: Path = Path("logs")
    size: tuple[int, int] | None = None
    scale: tuple[float, float] = (0.5, 1.5)
    workers: int | None = None
    new: str = "default"


def test_a_configuration_comes_back_as_it_was(tmp_path):
    for settings in (
        Settings(),
        Settings(("x", "y"), ("z",), Path("c.txt"), Path("o"), (416, 320), (1, 2), 3),
    ):
        write_config(tmp_path, asdict(settings), {})
        assert read_config(tmp_path, Settings) == settings


def test_the_configuration_of_an_older_version(tmp_path):
    """It had one data set as a string, a field that was removed since, and none that was added."""
    old = {"train": "2007_train.txt", "test": "", "gone": 1}
    write_config(tmp_path, old, {})
    assert read_config(tmp_path, Settings) == Settings(train=("2007_train.txt",))


def test_a_run_that_goes_on_keeps_how_it_was_started(tmp_path, monkeypatch):
    monkeypatch.setattr("sys.argv", ["train.py", "--epochs", "3"])
    write_config(tmp_path, {"epochs": 3}, {"train": make_index()})
    started = json.loads((tmp_path / "config.json").read_text("utf-8"))["started"]
    for epochs in (5, 7):
        monkeypatch.setattr("sys.argv", ["train.py", "--resume", "last", "--epochs", str(epochs)])
        write_config(tmp_path, {"epochs": epochs}, {"train": make_index()})
    found = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert found["command"] == ["train.py", "--epochs", "3"] and found["started"] == started
    assert [entry["command"][-1] for entry in found["resumed"]] == ["5", "7"]
    assert found["config"] == {"epochs": 7}


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "No such file"),
        (b"{", "property name"),
        (b"\xff", "byte 1 is not UTF-8"),
        (b"[" * 10**5, "nests too deeply"),
    ],
)
def test_a_run_without_its_settings(tmp_path, content, reason):
    if content is not None:
        (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(ValueError, match=rf"config\.json cannot be read \(.*{reason}.*\): start a new run"):
        read_config(tmp_path, Settings)
