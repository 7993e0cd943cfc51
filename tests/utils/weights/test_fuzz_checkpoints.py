"""Checkpoints and safetensors with contents that no training wrote: read, or refused by name.

BOXWRIGHT_FUZZ=100000 python -m pytest tests/utils/weights/test_fuzz_checkpoints.py tries more.
"""

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file

from nets import parts_of
from tests.utils.altered_contents import altered
from tests.utils.fuzzing import fuzz, mutated, read_or_refuse
from tests.utils.weights.nano_weights import NANO, fresh
from utils.predict.trained_detector import load_trained
from utils.weights.checkpoint import load_checkpoint, random_state
from utils.weights.load_weights import known_classes
from utils.weights.read_weights import read_weights

SEEDS = st.integers(0, 2**40)
STORED = {
    "class_names": ["a", "猫", "c"],
    "model_name": "yolox_nano",
    "image_size": [64, 96],
    "model_parts": parts_of(NANO),
    "thresholds": {"overall": 0.5, "by_class": [0.5, 0.25, 1.0]},
}


def small_content():
    """The content of a checkpoint with few tensors, which no network fits."""
    state = {"backbone.a.weight": torch.zeros(3, 3), "head.b.bias": torch.ones(3)}
    optimizer = {
        "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3, 3)}},
        "param_groups": [{"lr": 0.1, "params": [0], "names": ["a"]}],
    }
    more = {"optimizer": optimizer, "epoch": 1, "step": 2, "random": random_state()}
    return {"model": state, "ema": dict(state), **more, **STORED}


def read_all(path):
    """Read a file in all the ways in which scripts do."""
    weights = read_weights(path)
    known_classes(weights, NANO)
    assert all(value.is_floating_point() for value in weights.state.values())
    assert weights.image_size is None or max(weights.image_size) <= 8192
    assert (
        weights.thresholds is None
        or weights.class_names is None
        or (len(weights.thresholds.by_class) == len(weights.class_names))
    )


@fuzz
@given(SEEDS)
def test_altered_checkpoints(tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "fuzz.pt"
    torch.save(altered(small_content(), seed), path)
    read_or_refuse(read_all, path)
    read_or_refuse(load_checkpoint, path)


@pytest.fixture(scope="module")
def small_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("small") / "a.pt"
    torch.save(small_content(), path)
    return path.read_bytes()


@fuzz
@given(st.data())
def test_damaged_checkpoints(tmp_path_factory, small_file, data):
    path = tmp_path_factory.getbasetemp() / "fuzz2.pt"
    path.write_bytes(data.draw(mutated([small_file])))
    read_or_refuse(read_all, path)
    read_or_refuse(load_checkpoint, path)


@fuzz
@given(SEEDS, st.sampled_from(["altered", "nested", "digits"]))
def test_safetensors(tmp_path_factory, seed, kind):
    path = tmp_path_factory.getbasetemp() / "fuzz.safetensors"
    entries = altered(STORED, seed, tensors=False)
    metadata = (
        {name: json.dumps(value) for name, value in entries.items()} if isinstance(entries, dict) else {}
    )
    if kind != "altered":
        metadata["class_names"] = "[" * 100_000 if kind == "nested" else "[" + "9" * 5000 + "]"
    state = {"backbone.a.weight": torch.zeros(3, 3)}
    save_file(state, path, {key.encode(errors="replace").decode(): value for key, value in metadata.items()})
    read_or_refuse(read_all, path)


@settings(fuzz, max_examples=max(fuzz.max_examples // 20, 8))
@given(SEEDS)
def test_altered_checkpoints_of_a_network(tmp_path_factory, seed):
    path = tmp_path_factory.getbasetemp() / "fuzz3.pt"
    content = small_content() | {"model": fresh(3).state_dict(), "ema": None}
    torch.save(altered(content, seed), path)
    read_or_refuse(load_trained, path, torch.device("cpu"))
