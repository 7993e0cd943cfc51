"""Reads weights files: PyTorch checkpoints, safetensors, and the `.weights` files of Darknet.

Darknet: a short header followed by 32-bit floats; https://github.com/AlexeyAB/darknet (public domain)
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from nets.published.published import DARKNET
from utils.data.types import Size
from utils.system.schema import conform
from utils.weights.checkpoint import REQUIRED, check_is_file, damaged, load_torch_file
from utils.weights.checkpoint_schema import naming, stored_model
from utils.weights.file_kind import refuse_exported
from utils.weights.thresholds import Thresholds

_WRAPPER_PREFIXES = ("module.", "model.")  # prepended to all names by DataParallel and wrapper classes
_COMPILE_PREFIX = "_orig_mod."  # inserted into names by torch.compile
MAX_DEPTH = 4  # mappings around the tensors of a model; published checkpoints have up to 2
# Keys under which checkpoints store weights, EMA weights first.
_STATE_KEYS = ("ema", "model_ema", "ema_state_dict", "model", "state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Weights:
    """The content of a weights file.

    state  floating-point tensors by name, as in the file
    class_names, model_name, image_size  stored values; None if the file has none
    parts  parts that replace the model's own, and anchors, by name
    thresholds  confidence thresholds of best F1; None if not stored
    """

    path: Path
    state: Mapping[str, Tensor]
    class_names: tuple[str, ...] | None = None
    model_name: str | None = None
    image_size: Size | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Thresholds | None = None


def read_weights(path: str | Path) -> Weights:
    """Read `.safetensors`, a Darknet `.weights`, or a checkpoint or state dict written by `torch.save`.

    Takes the EMA weights of a checkpoint, if it has any. ValueError if the file is missing, damaged, unsafe
    to load, or holds no tensors.
    """
    path = Path(path)
    refuse_exported(path, "cannot be trained or changed")
    if path.suffix.lower() == ".weights":
        return Weights(path, {DARKNET: read_darknet(path)})
    safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if safe else load_torch_file(path, mmap=True)
    content = content if isinstance(content, Mapping) else {}
    with naming(path):
        state = _unwrapped(_tensors_in(content))
        stored = stored_model(content, ours=all(key in content for key in REQUIRED))
    if not state:
        raise ValueError(f"{path} holds no weights: give a checkpoint, or a state dict saved with torch.save")
    return Weights(path, state, **stored)


def _tensors_in(content: Mapping[Any, Any], depth: int = 0) -> dict[str, Tensor]:
    """Return the floating-point tensors of a checkpoint's model, or of the mapping itself.

    ValueError for tensors without values, and for a model inside of a model, again and again.
    """
    if depth > MAX_DEPTH:
        raise ValueError(f"it has more than {MAX_DEPTH} models one inside of the other")
    for key in _STATE_KEYS:
        if isinstance(content.get(key), Mapping) and (found := _tensors_in(content[key], depth + 1)):
            return found
    state = {
        name.replace(_COMPILE_PREFIX, ""): value
        for name, value in content.items()
        if isinstance(name, str) and isinstance(value, Tensor) and value.is_floating_point()
    }
    return conform(state, dict[str, Tensor], "the model")


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Return the same tensors without the prefixes that all names share."""
    for prefix in _WRAPPER_PREFIXES:
        if state and all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Read the tensors, as "model", and the metadata entries, parsed where they are JSON."""
    check_is_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is not a dict
            metadata = file.metadata() or {}
    except SafetensorError:
        raise ValueError(damaged(path)) from None
    return {"model": state} | {key: _parsed(value) for key, value in metadata.items() if key != "model"}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):  # also numbers of thousands of digits, and endless brackets
        return text


def read_darknet(path: Path) -> Tensor:
    """Read all floats of a Darknet file, float32 [N]. ValueError if it is missing or not a Darknet file.

    The header holds the version, three int32, and the number of images trained on: int64 since version 0.2,
    int32 before.
    """
    check_is_file(path)
    data = path.read_bytes()
    if len(data) < 16:
        raise ValueError(f"{path} has {len(data)} bytes: too few for a Darknet file; download it again")
    major, minor, _ = struct.unpack("<3i", data[:12])
    if not (0 <= major < 1000 and 0 <= minor < 1000):
        raise ValueError(f"{path} is not a Darknet file: it does not begin with a version; download it again")
    start = 20 if major * 10 + minor >= 2 else 16
    if (len(data) - start) % 4 or len(data) <= start:
        raise ValueError(
            f"{path} is truncated: {len(data)} bytes are not a whole number of floats; download it again"
        )
    return torch.from_numpy(np.frombuffer(data, "<f4", offset=start).copy())
