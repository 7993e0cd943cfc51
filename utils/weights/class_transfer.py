"""Which row of a file's class layers belongs to which class here: by the classes' names, not by position."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets import Preset, build

# COCO and VOC write these differently; both are trained from and for all the time.
_VOC_SPELLING = {"airplane": "aeroplane", "motorcycle": "motorbike", "couch": "sofa", "tv": "tvmonitor"}

# Tensors with several rows beside each other for each class, by the end of their names: those of its boxes.
_ROWS_EACH = {".box_predictor.bbox_pred.weight": 4, ".box_predictor.bbox_pred.bias": 4}


class ClassLayer(NamedTuple):
    """How the rows of a tensor belong to classes: `groups` (anchors, say), each with rows for every class.

    before  classes of each group that come before ours (the background, say)
    each    rows beside each other for each class
    """

    groups: int
    before: int
    each: int = 1

    def classes(self, rows: int) -> int:
        """The number of classes of a tensor with so many rows."""
        return rows // (self.groups * self.each) - self.before

    def fits(self, rows: int) -> bool:
        """Whether a tensor for some number of classes has so many rows."""
        return rows % (self.groups * self.each) == 0 and self.classes(rows) > 0

    def grouped(self, tensor: Tensor) -> Tensor:
        """[rows, ...] -> [groups, before + classes, each, ...], a view."""
        return tensor.unflatten(0, (self.groups, -1, self.each))


class ClassTransfer(NamedTuple):
    """Rows of the class layers to copy: here[target] = file[source], counted in classes.

    layers  the tensors that have rows for classes, by name
    """

    layers: Mapping[str, ClassLayer]
    target: tuple[int, ...]
    source: tuple[int, ...]

    def rows(self, layer: ClassLayer) -> int:
        """How many rows of a class layer are copied."""
        return layer.groups * layer.each * (layer.before + len(self.target))

    def copy(self, name: str, theirs: Tensor, ours: Tensor) -> None:
        """Copy into `ours` the rows of the classes carried over, and those that belong to no class."""
        layer = self.layers[name]
        source, target = layer.grouped(theirs.to(ours)), layer.grouped(ours)
        target[:, : layer.before] = source[:, : layer.before]
        for here, there in zip(self.target, self.source, strict=True):
            target[:, layer.before + here] = source[:, layer.before + there]


@functools.cache
def model_shapes(model: Preset, num_classes: int) -> dict[str, torch.Size]:
    """Shapes of the floating tensors of a model, by name. Allocates nothing."""
    with torch.device("meta"):
        state = build(model, num_classes).state_dict()
    return {name: tensor.shape for name, tensor in state.items() if tensor.is_floating_point()}


def class_layers(model: Preset) -> dict[str, ClassLayer]:
    """The tensors that have rows for classes: those that grow with the number of classes."""
    one, two = model_shapes(model, 1), model_shapes(model, 2)
    layers = {}
    for name, shape in one.items():
        rows = two[name][0] - shape[0] if shape else 0  # of one class
        if rows:
            each = next((n for end, n in _ROWS_EACH.items() if name.endswith(end)), 1)
            layers[name] = ClassLayer(rows // each, shape[0] // rows - 1, each)
    return layers


def layer_class_counts(state: Mapping[str, Tensor], layers: Mapping[str, ClassLayer]) -> frozenset[int]:
    """For how many classes a state dict's class layers are: one number, or none without such layers."""
    return frozenset(
        layer.classes(len(state[name]))
        for name, layer in layers.items()
        if name in state and state[name].ndim
    )


def match_classes(
    theirs: Sequence[str], ours: Sequence[str], layers: Mapping[str, ClassLayer]
) -> ClassTransfer:
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
