"""Copies rows of class layers from a weights file to the detector by class name, not by position."""

import functools
import re
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets import Preset, build

# COCO and VOC spell these classes differently, and COCO weights are often fine-tuned on VOC, or the reverse.
_VOC_SPELLING = {"airplane": "aeroplane", "motorcycle": "motorbike", "couch": "sofa", "tv": "tvmonitor"}

# Rows per class, if several (for box coordinates), by the end of the tensor's name.
_ROWS_EACH = {".box_predictor.bbox_pred.weight": 4, ".box_predictor.bbox_pred.bias": 4}


class ClassLayer(NamedTuple):
    """The layout of a tensor's rows: `groups` (e.g. anchors), each with rows for every class.

    before  number of classes in each group that precede ours (e.g. the background)
    each    number of adjacent rows per class
    """

    groups: int
    before: int
    each: int = 1

    def classes(self, rows: int) -> int:
        """Return the number of classes of a tensor with this number of rows."""
        return rows // (self.groups * self.each) - self.before

    def fits(self, rows: int) -> bool:
        """Return whether this number of rows fits some number of classes."""
        return rows % (self.groups * self.each) == 0 and self.classes(rows) > 0

    def grouped(self, tensor: Tensor) -> Tensor:
        """Return a view [groups, before + classes, each, ...] of a tensor [rows, ...]."""
        return tensor.unflatten(0, (self.groups, -1, self.each))


class ClassTransfer(NamedTuple):
    """The classes whose rows are copied from the file's class layers: ours[target] = theirs[source].

    layers  class layers by tensor name
    """

    layers: Mapping[str, ClassLayer]
    target: tuple[int, ...]
    source: tuple[int, ...]

    def rows(self, layer: ClassLayer) -> int:
        """Return the number of rows of a class layer that are copied."""
        return layer.groups * layer.each * (layer.before + len(self.target))

    def copy(self, name: str, theirs: Tensor, ours: Tensor) -> None:
        """Copy the rows of the transferred classes, and of the background if there is one, into `ours`."""
        layer = self.layers[name]
        source, target = layer.grouped(theirs.to(ours)), layer.grouped(ours)
        target[:, : layer.before] = source[:, : layer.before]
        for here, there in zip(self.target, self.source, strict=True):
            target[:, layer.before + here] = source[:, layer.before + there]


@functools.cache
def model_shapes(model: Preset, num_classes: int) -> dict[str, torch.Size]:
    """Return the shapes of a model's floating-point tensors by name, without allocating them."""
    with torch.device("meta"):
        state = build(model, num_classes).state_dict()
    return {name: tensor.shape for name, tensor in state.items() if tensor.is_floating_point()}


def class_layers(model: Preset, shapes: Mapping[str, torch.Size], num_classes: int) -> dict[str, ClassLayer]:
    """Return the class layers: all tensors whose shape depends on the number of classes.

    shapes  shapes of the model's tensors for `num_classes` classes, as those of `model_shapes`
    """
    more = model_shapes(model, num_classes + 1)
    layers = {}
    for name, shape in shapes.items():
        rows = more[name][0] - shape[0] if shape else 0  # rows per class
        if rows:
            each = next((n for end, n in _ROWS_EACH.items() if name.endswith(end)), 1)
            layers[name] = ClassLayer(rows // each, shape[0] // rows - num_classes, each)
    return layers


def layer_class_counts(state: Mapping[str, Tensor], layers: Mapping[str, ClassLayer]) -> frozenset[int]:
    """Return the class counts of a state dict's class layers: one if they agree, none without layers."""
    return frozenset(
        layer.classes(len(state[name]))
        for name, layer in layers.items()
        if name in state and state[name].ndim
    )


def match_classes(
    theirs: Sequence[str], ours: Sequence[str], layers: Mapping[str, ClassLayer]
) -> ClassTransfer:
    """Match the classes of a file with ours: by name, else ignoring case, else ignoring spelling variants."""
    tables = [
        (key, {key(name): row for row, name in enumerate(theirs)}) for key in (str, fold_name, _fold_spelling)
    ]
    pairs = []
    for target, name in enumerate(ours):
        found = [table[key(name)] for key, table in tables if key(name) in table]
        pairs += [(target, found[0])] if found else []
    return ClassTransfer(layers, tuple(t for t, _ in pairs), tuple(s for _, s in pairs))


def fold_name(name: str) -> str:
    """Return a class name in lower case, without surrounding spaces, for comparison."""
    return name.strip().casefold()


def _fold_spelling(name: str) -> str:
    joined = re.sub(r"[\s_-]+", "", fold_name(name))  # "dining table", "diningtable"
    return _VOC_SPELLING.get(joined, joined)
