"""Matches tensors of a file that have other names than ours by their order and shapes."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nets.common.detector import PARTS


def match_by_order(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Rename tensors of the file to our names, for parts of which it has none by name; and list those parts.

    A part is matched entirely or not at all: its sequence of shapes must occur in the file exactly once.
    """
    renamed, matched = dict(theirs), []
    for part in PARTS:
        names = [name for name in ours if name.startswith(part + ".")]
        if not names or any(name in theirs for name in names):
            continue
        left = [name for name in renamed if name not in ours]
        shapes = [renamed[name].shape for name in left]
        starts = _find_sequence([ours[name].shape for name in names], shapes)
        if len(starts) == 1:
            found = left[starts[0] : starts[0] + len(names)]
            renamed |= {name: renamed.pop(other) for name, other in zip(names, found, strict=True)}
            matched.append(part)
    return renamed, tuple(matched)


def _find_sequence(wanted: list[torch.Size], shapes: list[torch.Size]) -> list[int]:
    """The positions at which the sequence `wanted` begins in `shapes`."""
    return [
        start
        for start in range(len(shapes) - len(wanted) + 1)
        if shapes[start : start + len(wanted)] == wanted
    ]
