"""Every generator of random numbers that training may draw from, as plain data for a checkpoint."""

import random
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Where the generators of Python, NumPy, torch and all GPUs are: tensors and primitives only."""
    version, numbers, gauss = random.getstate()
    kind, key, *rest = np.random.get_state()  # noqa: NPY002, the global generator is what others may use
    return {
        "python": [version, list(numbers), gauss],
        "numpy": [kind, torch.from_numpy(np.array(key, np.int64)), *rest],
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
    }


def restore_random_state(state: Mapping[str, Any]) -> None:
    """Put the generators back; those of GPUs only where there are as many."""
    version, numbers, gauss = state["python"]
    random.setstate((version, tuple(numbers), gauss))
    kind, key, *rest = state["numpy"]
    np.random.set_state((kind, key.numpy().astype(np.uint32), *rest))  # noqa: NPY002
    torch.set_rng_state(state["torch"])
    if torch.cuda.is_available() and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
