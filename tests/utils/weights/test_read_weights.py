"""Weights files are read whole, and damaged ones refused."""

import json
import re
import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from tests.utils.weights.nano_weights import NANO, equal, floating, fresh
from utils.weights.checkpoint import save_checkpoint
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import read_darknet, read_weights

FLOATS = np.array([1.5, -2.0, 3e-8], "<f4")


@pytest.mark.parametrize("version", [(0, 1, 0), (0, 0, 9)])
def test_before_version_0_2_the_number_of_images_has_32_bits(tmp_path, version):
    path = tmp_path / "a.weights"
    path.write_bytes(struct.pack("<4i", *version, 99) + FLOATS.tobytes())
    assert read_darknet(path).tolist() == FLOATS.tolist()


@pytest.mark.parametrize("version", [(0, 2, 0), (0, 2, 5), (1, 0, 0)])
def test_from_version_0_2_on_it_has_64_bits(tmp_path, version):
    path = tmp_path / "a.WEIGHTS"
    path.write_bytes(struct.pack("<3iq", *version, 2**40) + FLOATS.tobytes())
    assert read_weights(path).state["darknet"].tolist() == FLOATS.tolist()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "has 0 bytes: too few"),
        (struct.pack("<3iq", 0, 2, 5, 1), "is truncated: 20 bytes"),
        (struct.pack("<3iq", 0, 2, 5, 1) + b"abcdef", "is truncated: 26 bytes"),
        (b"<!DOCTYPE html><html>", "is not a Darknet file: it does not begin with a version"),
        (b"PK\x03\x04" + bytes(40), "is not a Darknet file"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "bad.weights"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=f"bad.weights {message}"):
        read_darknet(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"none\.weights does not exist"):
        read_weights(tmp_path / "none.weights")


def save_as(kind, path, state):
    if kind == "checkpoint":
        stale = {k: torch.zeros_like(v) for k, v in state.items()}
        meta = {"class_names": ["a", "猫", "c"], "model_name": "yolox_nano", "image_size": (416, 320)}
        save_checkpoint(path, model=stale, ema=state, epoch=0, step=0, **meta)
    elif kind == "safetensors":
        meta = {
            "class_names": json.dumps(["a", "猫", "c"]),
            "model_name": "yolox_nano",
            "image_size": "[416, 320]",
        }
        save_file(state, path, meta)
    elif kind == "parallel":
        torch.save({"state_dict": {"module._orig_mod." + k: v for k, v in state.items()}}, path)
    elif kind == "compiled parts":
        torch.save({"model": {k.replace(".", "._orig_mod.", 1): v for k, v in state.items()}}, path)
    elif kind == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(state, path)


@pytest.mark.parametrize(
    "kind", ["checkpoint", "safetensors", "parallel", "compiled parts", "legacy", "bare", "PTH"]
)
def test_every_kind_of_file_reads_and_loads(tmp_path, donor, kind):
    path = tmp_path / {"safetensors": "w.safetensors", "PTH": "w.PTH"}.get(kind, "w.pt")
    save_as(kind, path, donor.state_dict())
    weights = read_weights(path)
    assert not any("num_batches" in name for name in weights.state)
    has_metadata = kind in ("checkpoint", "safetensors")
    assert weights.class_names == (("a", "猫", "c") if has_metadata else None)
    assert (weights.model_name, weights.image_size) == (
        ("yolox_nano", (416, 320)) if has_metadata else (None, None)
    )
    detector = fresh(3)
    report = load_weights(detector, weights, NANO, ["a", "猫", "c"], strict=True)
    assert not report.by_order
    assert report.complete and equal(detector, donor)


@pytest.mark.parametrize(
    "content", [{}, {"model": {}}, {"epoch": 3}, [1, 2], 7, {"model": {"n": torch.tensor(3)}}]
)
def test_a_file_without_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "none.pt")
    with pytest.raises(ValueError, match=r"none\.pt holds no weights"):
        read_weights(tmp_path / "none.pt")


def test_damaged_and_missing_safetensors_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match=re.escape(str(path)) + " does not exist"):
        read_weights(path)
    save_file({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"w\.safetensors is damaged"):
        read_weights(path)


def test_strange_metadata_counts_as_none(tmp_path):
    metadata = {"class_names": {"0": "a"}, "model_name": 5, "image_size": ["416", "416"]}
    torch.save({"model": {"a": torch.zeros(1)}, **metadata}, tmp_path / "w.pt")
    weights = read_weights(tmp_path / "w.pt")
    assert (weights.class_names, weights.model_name, weights.image_size) == (None, None, None)


def test_wrappers_of_names_are_taken_off(donor, tmp_path):
    for prefix in ("model.", "module.", "model.module.", "module.model.", "model.model.", "_orig_mod."):
        state = {prefix + name: value for name, value in floating(donor).items()}
        for content in (
            state,
            {"ema_state_dict": state, "state_dict": {}},
            {"ema": {"module": state, "updates": 3}},
        ):
            torch.save(content, tmp_path / "w.pt")
            assert read_weights(tmp_path / "w.pt").state.keys() == floating(donor).keys()
