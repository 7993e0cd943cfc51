"""A model of the zoo as the flags of a script choose it."""

from typing import Any

from nets import HEADS, ZOO, Preset, preset, strides_of
from nets.anchor_head import Anchors, fit_anchors
from utils.anchor_file import read_anchors


def choose_model(name: str, backbone: str = "", neck: str = "", head: str = "", anchors: str = "") -> Preset:
    """The model of that name with other parts, and the anchors of a file, where they are named.

    ValueError if there is none such.
    """
    parts: dict[str, Any] = {"backbone": backbone or None, "neck": neck or None, "head": head or None}
    model = preset(name, **parts)
    if anchors:
        model = preset(name, **parts, anchors=read_anchors(anchors, len(strides_of(model))))
    return model


def anchors_of(model: Preset) -> Anchors:
    """The model's anchors, level by level. ValueError if it has none."""
    if not model.has_anchors:
        heads = ", ".join(name for name, family in HEADS.items() if family.anchored)
        models = ", ".join(name for name, entry in ZOO.items() if entry.has_anchors)
        raise ValueError(
            f"{model.name} has no anchors that can be chosen: --model takes one of {models}, "
            f"or --head one of {heads}"
        )
    return fit_anchors(model.anchors, len(strides_of(model)))
