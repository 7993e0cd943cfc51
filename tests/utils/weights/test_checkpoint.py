"""Checkpoints load without running code, appear whole or not at all, and say what is wrong with a file."""

import argparse
import errno
import io
import random
import zipfile
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from nets import build_detector
from utils.system.files import replacing
from utils.weights.checkpoint import (
    load_checkpoint,
    load_torch_file,
    random_state,
    restore_random_state,
    save_checkpoint,
)
from utils.weights.read_weights import read_weights


def save(path, **changes):
    """A small checkpoint with some entries changed."""
    entries = {
        "model": {"backbone.a": torch.arange(6.0)},
        "ema": {"backbone.a": torch.arange(6.0) / 2},
        "epoch": 3,
        "step": 17,
        "class_names": ("person", "汽车"),
        "model_name": "yolox_nano",
        "image_size": (416, 320),
    }
    save_checkpoint(path, **(entries | changes))


def test_all_of_it_comes_back_as_plain_data(tmp_path):
    path = tmp_path / "new folder" / "last.pt"
    history = [{"epoch": 1, "map50": 0.5, "note": None}]
    save(path, best=0.25, history=history, rng=torch.get_rng_state(), phase="frozen")
    found = torch.load(path, weights_only=True)
    assert found["class_names"] == ["person", "汽车"] and found["image_size"] == [416, 320]
    assert (found["epoch"], found["step"], found["best"], found["phase"]) == (3, 17, 0.25, "frozen")
    assert found["history"] == history and found["optimizer"] is None
    assert torch.equal(found["rng"], torch.get_rng_state())
    assert torch.equal(found["ema"]["backbone.a"], torch.arange(6.0) / 2)
    assert load_checkpoint(path).keys() == found.keys()


def test_precision_is_kept(tmp_path):
    model = {"half": torch.ones(2).half(), "bf16": torch.ones(2).bfloat16(), "count": torch.tensor(7)}
    save(tmp_path / "last.pt", model=model, ema=None)
    found = load_checkpoint(tmp_path / "last.pt")
    assert [v.dtype for v in found["model"].values()] == [torch.float16, torch.bfloat16, torch.int64]
    assert found["ema"] is None


def test_training_goes_on_bit_for_bit_after_a_checkpoint(tmp_path):
    def steps(model, optimizer, number):
        for _ in range(number):
            optimizer.zero_grad()
            raw = model.head(model.neck(model.backbone(torch.ones(1, 3, 64, 64))))
            raw.objectness.square().sum().backward()
            optimizer.step()

    torch.manual_seed(0)
    first, second = build_detector("yolox_nano", 2), build_detector("yolox_nano", 2)
    optimizers = [torch.optim.SGD(m.parameters(), lr=1e-4, momentum=0.9) for m in (first, second)]
    steps(first, optimizers[0], 2)
    save(tmp_path / "last.pt", model=first.state_dict(), ema=None, optimizer=optimizers[0].state_dict())
    found = load_checkpoint(tmp_path / "last.pt")
    second.load_state_dict(found["model"])
    optimizers[1].load_state_dict(found["optimizer"])
    steps(first, optimizers[0], 2)
    steps(second, optimizers[1], 2)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("entry", "name"),
    [
        ({"best": np.float64(0.5)}, "best"),
        ({"history": [{"map50": np.float32(0.5)}]}, "history.0.map50"),
        ({"args": argparse.Namespace()}, "args"),
        ({"optimizer": {"state": {0: {"rows": np.zeros(3)}}}}, "optimizer.state.0.rows"),
    ],
)
def test_what_would_not_load_is_not_saved(tmp_path, entry, name):
    save(tmp_path / "last.pt")
    before = (tmp_path / "last.pt").read_bytes()
    with pytest.raises(TypeError, match=rf"entry '{name}' is \w+"):
        save(tmp_path / "last.pt", **entry)
    assert (tmp_path / "last.pt").read_bytes() == before


def test_an_interrupted_write_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch):
    path = tmp_path / "last.pt"
    save(path, epoch=1)

    def disk_full(content, beside):
        beside.write(b"half of it")
        raise OSError(errno.ENOSPC, "no space left on device")

    monkeypatch.setattr(torch, "save", disk_full)
    with pytest.raises(OSError, match="no space"):
        save(path, epoch=2)
    assert load_checkpoint(path)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


class EndingFile(io.FileIO):
    """A file whose writing is ended by an exception after the first kilobyte."""

    ending: BaseException

    def write(self, data):
        if self.tell() > 1000:
            raise self.ending
        return super().write(data)


@pytest.mark.parametrize("ending", [KeyboardInterrupt(2), OSError(errno.ENOSPC, "no space left on device")])
def test_what_ends_a_write_is_what_is_raised(tmp_path, monkeypatch, ending):
    """Not torch's error about the file that it could not complete."""
    path = tmp_path / "last.pt"
    save(path, epoch=1)
    monkeypatch.setattr(Path, "open", lambda path, mode: EndingFile(path, mode))
    monkeypatch.setattr(EndingFile, "ending", ending, raising=False)
    with pytest.raises(type(ending)) as raised:
        save(path, epoch=2, model={"backbone.a": torch.zeros(10_000)})
    assert raised.value is ending or raised.value.__cause__ is ending
    monkeypatch.undo()
    assert load_checkpoint(path)["epoch"] == 1
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_replacing_swaps_only_on_success(tmp_path):
    path = tmp_path / "deep" / "file.txt"
    with replacing(path) as beside:
        beside.write_text("one", encoding="utf-8")
        assert not path.exists() and beside.parent == path.parent
    with pytest.raises(KeyboardInterrupt), replacing(path) as beside:
        beside.write_text("two", encoding="utf-8")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "one" and list(path.parent.iterdir()) == [path]


def test_a_bare_state_dict_is_no_checkpoint(tmp_path):
    path = tmp_path / "weights.pt"
    torch.save({"model": {"a": torch.zeros(1)}}, path)
    with pytest.raises(ValueError, match=r"weights\.pt is no checkpoint.*--weights"):
        load_checkpoint(path)


def test_missing_file_says_where_it_looked(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError) as error:
        load_checkpoint("logs/run/last.pt")
    assert str(tmp_path / "logs" / "run" / "last.pt") in str(error.value)
    with pytest.raises(ValueError, match="is a folder"):
        load_checkpoint(tmp_path)


def test_objects_are_refused_with_the_way_out(tmp_path):
    path = tmp_path / "unsafe.pt"
    torch.save({"args": argparse.Namespace(lr=0.1)}, path)
    with pytest.raises(ValueError, match=r"unsafe\.pt holds Python objects.*state_dict"):
        load_torch_file(path)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("mmap", [True, False])
def test_truncated_files_are_said_to_be_damaged(tmp_path, zipped, mmap):
    path = tmp_path / "cut.pt"
    torch.save({"a": torch.zeros(1000)}, path, _use_new_zipfile_serialization=zipped)
    assert len(load_torch_file(path, mmap)["a"]) == 1000
    whole = path.read_bytes()
    for length in (0, 1, 3, 100, len(whole) // 2, len(whole) - 20):
        path.write_bytes(whole[:length])
        with pytest.raises(ValueError, match=r"cut\.pt is damaged"):
            load_torch_file(path, mmap)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@settings(max_examples=200, deadline=None)
@given(junk=st.binary(max_size=64))
def test_junk_never_gives_anything_but_a_value_error(tmp_path_factory, junk):
    path = tmp_path_factory.getbasetemp() / "junk.pt"
    path.write_bytes(junk)
    with pytest.raises(ValueError, match="junk"):
        load_checkpoint(path)


@pytest.mark.parametrize("seed", range(20))
def test_flipped_bits_and_cut_ends_are_found(tmp_path, seed):
    """Ten of each: the file is refused, or nothing in it that is read has changed."""
    rng = np.random.default_rng(seed)
    path = tmp_path / "last.pt"
    save(path, model={f"layer{k}": torch.randn(20, 20) for k in range(5)})
    whole, expected = path.read_bytes(), load_checkpoint(path)
    refused = 0
    for case in range(20):
        damaged = bytearray(whole)
        if case < 10:
            damaged[rng.integers(len(whole))] ^= 1 << rng.integers(8)
        else:
            del damaged[rng.integers(len(whole)) :]
        path.write_bytes(damaged)
        try:
            found = load_checkpoint(path)
        except ValueError as error:
            assert str(path) in str(error)
            refused += 1
        else:
            assert case < 10 and found.keys() == expected.keys()
            assert all(torch.equal(found["model"][k], value) for k, value in expected["model"].items())
            assert (found["step"], found["class_names"]) == (17, ["person", "汽车"])
    assert refused >= 15


def test_the_one_before_is_kept(tmp_path):
    last, before = tmp_path / "last.pt", tmp_path / "before.pt"
    for epoch in (1, 2, 3):
        save(last, epoch=epoch, keep=before)
    assert [load_checkpoint(path)["epoch"] for path in (before, last)] == [2, 3]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["before.pt", "last.pt"]


def draw():
    return random.random(), random.gauss(0, 1), np.random.normal(), torch.rand(3).tolist()  # noqa: NPY002


def test_the_numbers_go_on_after_a_checkpoint_as_they_would_have(tmp_path):
    draw()  # a normal number is drawn in pairs: the second waits
    entries = {"model": {}, "ema": None, "epoch": 0, "step": 0, "class_names": ["a"], "model_name": ""}
    save_checkpoint(tmp_path / "a.pt", **entries, image_size=(1, 1), random=random_state())
    expected = draw()
    assert draw() != expected
    restore_random_state(load_checkpoint(tmp_path / "a.pt")["random"])
    assert draw() == expected


@pytest.mark.parametrize("load", [load_checkpoint, load_torch_file, read_weights])
def test_compressed_archives_are_refused_unread(tmp_path, load):
    save(tmp_path / "last.pt")
    packed = tmp_path / "packed.pt"
    with (
        zipfile.ZipFile(tmp_path / "last.pt") as whole,
        zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive,
    ):
        for name in whole.namelist():
            archive.writestr(name, whole.read(name))
    with pytest.raises(ValueError, match=r"packed\.pt is a compressed archive"):
        load(packed)
