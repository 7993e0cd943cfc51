"""Reads weights files: PyTorch checkpoints, safetensors, and the `.weights` files of Darknet.

Darknet: a short header, then nothing but 32-bit floats; https://github.com/AlexeyAB/darknet (public domain)
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
from utils.weights.checkpoint import check_is_file, damaged, load_torch_file
from utils.weights.file_kind import refuse_exported
from utils.weights.thresholds import Thresholds, stored_thresholds

_WRAPPERS = ("module.", "model.")  # what DataParallel and wrapping classes put before all names
_COMPILED = "_orig_mod."  # what torch.compile puts into them
# Where checkpoints keep their weights, averaged ones first.
_KEYS = ("ema", "model_ema", "ema_state_dict", "model", "state_dict", "model_state_dict", "module")


@dataclass(frozen=True)
class Weights:
    """What a weights file holds.

    state  floating tensors under the names of the file
    class_names, model_name, image_size (height, width)  None where the file does not say
    parts  names of parts that differ from the model's own, and its anchors
    thresholds  the scores with the best F1, where they were stored
    """

    path: Path
    state: Mapping[str, Tensor]
    class_names: tuple[str, ...] | None = None
    model_name: str | None = None
    image_size: tuple[int, int] | None = None
    parts: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Thresholds | None = None


def read_weights(path: str | Path) -> Weights:
    """Read `.safetensors`, a Darknet `.weights`, or what `torch.save` wrote: a checkpoint or a state dict.

    Of a checkpoint it takes the averaged weights, if it has any. ValueError if the file is missing, damaged,
    unsafe to load, or holds no tensors.
    """
    path = Path(path)
    refuse_exported(path, "cannot be trained or changed")
    if path.suffix.lower() == ".weights":
        return Weights(path, {DARKNET: read_darknet(path)})
    safe = path.suffix.lower() == ".safetensors"
    content = _read_safetensors(path) if safe else load_torch_file(path, mmap=True)
    content = content if isinstance(content, Mapping) else {}
    state = _unwrapped(_tensors_in(content))
    if not state:
        raise ValueError(f"{path} holds no weights: give a checkpoint, or a state dict saved with torch.save")
    return Weights(path, state, *_metadata(content), stored_thresholds(content))


def _tensors_in(content: Mapping[Any, Any]) -> dict[str, Tensor]:
    """The floating tensors of a checkpoint's model, however deep in it; or of the mapping itself."""
    for key in _KEYS:
        if isinstance(content.get(key), Mapping) and (found := _tensors_in(content[key])):
            return found
    return {
        str(name).replace(_COMPILED, ""): value
        for name, value in content.items()
        if isinstance(value, Tensor) and value.is_floating_point()
    }


def _unwrapped(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """The same tensors without what stands before all of their names."""
    for prefix in _WRAPPERS:
        if state and all(name.startswith(prefix) for name in state):
            return _unwrapped({name.removeprefix(prefix): value for name, value in state.items()})
    return state


def _read_safetensors(path: Path) -> dict[str, Any]:
    """Tensors under "model", and the metadata beside them: strings, lists among them as JSON."""
    check_is_file(path)
    try:
        with safe_open(path, framework="pt") as file:
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, it is no dict
            metadata = file.metadata() or {}
    except SafetensorError:
        raise ValueError(damaged(path)) from None
    return {"model": state} | {key: _parsed(value) for key, value in metadata.items() if key != "model"}


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def _metadata(
    content: Mapping[str, Any],
) -> tuple[tuple[str, ...] | None, str | None, tuple[int, int] | None, Mapping[str, Any]]:
    """Class names, model name, image size, parts; None for what the file does not say, or says otherwise."""
    names, model, size = content.get("class_names"), content.get("model_name"), content.get("image_size")
    parts = content.get("model_parts")
    return (
        tuple(names) if isinstance(names, list | tuple) and {*map(type, names)} == {str} else None,
        model if isinstance(model, str) else None,
        (size[0], size[1]) if isinstance(size, list | tuple) and [*map(type, size)] == [int, int] else None,
        parts if isinstance(parts, Mapping) else {},
    )


def read_darknet(path: Path) -> Tensor:
    """All floats of a file, float32 [N]. ValueError if it is missing or no such file.

    The header is three int32, the version, and the number of images trained on: int64 from version 0.2 on,
    int32 before.
    """
    check_is_file(path)
    data = path.read_bytes()
    if len(data) < 16:
        raise ValueError(f"{path} has {len(data)} bytes: too few for a Darknet file; download it again")
    major, minor, _ = struct.unpack("<3i", data[:12])
    if not (0 <= major < 1000 and 0 <= minor < 1000):
        raise ValueError(f"{path} is no Darknet file: it does not begin with a version; download it again")
    start = 20 if major * 10 + minor >= 2 else 16
    if (len(data) - start) % 4 or len(data) <= start:
        raise ValueError(
            f"{path} is cut off: {len(data)} bytes are no whole number of floats; download it again"
        )
    return torch.from_numpy(np.frombuffer(data, "<f4", offset=start).copy())
