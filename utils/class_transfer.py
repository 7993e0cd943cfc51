"""Which row of a file's class layers belongs to which class here: by the classes' names, not by position."""

import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets import build_detector

# COCO and VOC write these differently; both are trained from and for all the time.
_VOC_SPELLING = {"airplane": "aeroplane", "motorcycle": "motorbike", "couch": "sofa", "tv": "tvmonitor"}


class ClassTransfer(NamedTuple):
    """Rows of the class layers to copy: here[target] = file[source].

    layers  names of the tensors with one row a class
    """

    layers: frozenset[str]
    target: tuple[int, ...]
    source: tuple[int, ...]


def zoo_shapes(model_name: str, num_classes: int) -> dict[str, torch.Size]:
    """Shapes of the floating tensors of one of the zoo's models, by name. Allocates nothing."""
    with torch.device("meta"):
        state = build_detector(model_name, num_classes).state_dict()
    return {name: tensor.shape for name, tensor in state.items() if tensor.is_floating_point()}


def class_layers(model_name: str) -> frozenset[str]:
    """Names of the tensors with one row a class: one class more makes them one row longer."""
    one, two = zoo_shapes(model_name, 1), zoo_shapes(model_name, 2)
    return frozenset(name for name, shape in one.items() if two[name] == (2, *shape[1:]) != shape)


def class_rows(state: Mapping[str, Tensor], layers: frozenset[str]) -> frozenset[int]:
    """The numbers of rows of the class layers in a state dict: one, or none if it holds no class layer."""
    return frozenset(len(state[name]) for name in layers if name in state and state[name].ndim)


def match_classes(theirs: Sequence[str], ours: Sequence[str], layers: frozenset[str]) -> ClassTransfer:
    """Pair the classes of a file with ours: same name, else same but for case, else but for spelling."""
    tables = [
        (key, {key(name): row for row, name in enumerate(theirs)}) for key in (str, fold_name, _spelling)
    ]
    pairs = []
    for target, name in enumerate(ours):
        found = [table[key(name)] for key, table in tables if key(name) in table]
        pairs += [(target, found[0])] if found else []
    return ClassTransfer(layers, tuple(t for t, _ in pairs), tuple(s for _, s in pairs))


def fold_name(name: str) -> str:
    """A class name without what people vary unknowingly: case, and spaces around it."""
    return name.strip().casefold()


def _spelling(name: str) -> str:
    joined = re.sub(r"[\s_-]+", "", fold_name(name))  # "dining table", "diningtable"
    return _VOC_SPELLING.get(joined, joined)
