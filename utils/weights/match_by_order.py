"""Tensors of a file that have other names than ours, told by their order and their shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nets.common.detector import PARTS


def match_by_order(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """The file's tensors, under our names for the parts of which the file has none by name; and those parts.

    A part is matched whole or not at all: its shapes, in its order, have to stand in the file in one place
    and in no other.
    """
    renamed, matched = dict(theirs), []
    for part in PARTS:
        names = [name for name in ours if name.startswith(part + ".")]
        if not names or any(name in theirs for name in names):
            continue
        left = [name for name in renamed if name not in ours]
        shapes = [renamed[name].shape for name in left]
        starts = _places([ours[name].shape for name in names], shapes)
        if len(starts) == 1:
            found = left[starts[0] : starts[0] + len(names)]
            renamed |= {name: renamed.pop(other) for name, other in zip(names, found, strict=True)}
            matched.append(part)
    return renamed, tuple(matched)


def _places(wanted: list[torch.Size], shapes: list[torch.Size]) -> list[int]:
    """Where the sequence `wanted` begins in `shapes`."""
    return [
        start
        for start in range(len(shapes) - len(wanted) + 1)
        if shapes[start : start + len(wanted)] == wanted
    ]
