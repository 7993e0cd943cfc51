"""Matches tensors by order and shape where a file has other names for them than ours."""

from collections.abc import Mapping

import torch
from torch import Tensor

from nets.common.detector import PARTS


def match_by_order(
    ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]
) -> tuple[dict[str, Tensor], tuple[str, ...]]:
    """Return the file's tensors, renamed to ours in parts where no name matches, and the names of the parts.

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


def _find_sequence(target: list[torch.Size], shapes: list[torch.Size]) -> list[int]:
    """Return the positions at which the sequence `target` begins in `shapes`."""
    return [
        start
        for start in range(len(shapes) - len(target) + 1)
        if shapes[start : start + len(target)] == target
    ]
