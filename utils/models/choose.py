"""Chooses a model of the zoo by the flags of a script, and reads and writes files of anchors.

Anchor files are text: `w,h, w,h, ...`, finest level first, as in `model_data/yolo_anchors.txt`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nets import HEADS, ZOO, Preset, preset, strides_of
from nets.heads.anchor_head import Anchors, fit_anchors
from utils.system.files import read_text


def read_anchors(path: str | Path, levels: int) -> Anchors:
    """Read the anchors in a file, the same number for each of `levels` levels. ValueError if malformed."""
    numbers = []
    for word in read_text(Path(path)).replace(",", " ").split():
        try:
            numbers.append(float(word))
        except ValueError:
            raise ValueError(
                f"{path}: '{word}' is not a number; anchors are written as w,h, w,h, ..."
            ) from None
    if not numbers or len(numbers) % (2 * levels):
        raise ValueError(
            f"{path} has {len(numbers)} numbers: it needs a width and a height for each anchor, "
            f"and the same number of anchors for each of the {levels} levels of the network"
        )
    for number in numbers:
        if not 0 < number < float("inf"):  # false for NaN too
            raise ValueError(f"{path}: width and height of an anchor must be above 0, not {number:g}")
    return split_by_level([*zip(numbers[::2], numbers[1::2], strict=True)], levels)


def split_by_level(sizes: Sequence[tuple[float, float]], levels: int) -> Anchors:
    """Divide anchor sizes (width, height) evenly among the levels, finest first."""
    each = len(sizes) // levels
    return tuple(tuple(sizes[level * each : (level + 1) * each]) for level in range(levels))


def anchors_text(anchors: Anchors) -> str:
    """Return the text of an anchor file."""
    return ",  ".join(f"{width:g},{height:g}" for level in anchors for width, height in level) + "\n"


def choose_model(name: str, backbone: str = "", neck: str = "", head: str = "", anchors: str = "") -> Preset:
    """Return the model `name`, with parts replaced and anchors read from a file if given.

    ValueError for unknown names, and for incompatible parts.
    """
    parts: dict[str, Any] = {"backbone": backbone or None, "neck": neck or None, "head": head or None}
    model = preset(name, **parts)
    if anchors:
        model = preset(name, **parts, anchors=read_anchors(anchors, len(strides_of(model))))
    return model


def anchors_of(model: Preset) -> Anchors:
    """Return the model's anchors, level by level. ValueError if it has no anchors that can be chosen."""
    if not model.has_anchors:
        heads = ", ".join(name for name, family in HEADS.items() if family.anchored)
        models = ", ".join(name for name, entry in ZOO.items() if entry.has_anchors)
        raise ValueError(
            f"{model.name} has no anchors that can be chosen: --model takes one of {models}, "
            f"or --head one of {heads}"
        )
    return fit_anchors(model.anchors, len(strides_of(model)))
