"""Builds a detector of the zoo by its name, with any of its parts exchanged."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import torch

from nets.backbones.timm_backbone import PREFIX, TimmBackbone, timm_pixels
from nets.common.detector import Detector
from nets.heads.anchor_head import Anchors
from nets.losses.common import LossSettings
from nets.zoo.presets import BACKBONES, HEADS, NECKS, ZOO, Preset


def preset(
    name: str,
    *,
    backbone: str | None = None,
    neck: str | None = None,
    head: str | None = None,
    anchors: Sequence[Sequence[Sequence[float]]] | None = None,
) -> Preset:
    """The zoo's entry for `name`, with other parts or anchors where they are given.

    ValueError that lists the names if there is none of that name, or if the parts do not fit together.
    """
    if name not in ZOO:
        raise ValueError(f"there is no model '{name}'; --model takes one of: {', '.join(ZOO)}")
    chosen = ZOO[name]
    if chosen.whole is not None:
        _refuse_parts(name, backbone=backbone, neck=neck, head=head, anchors=anchors)
        return chosen
    if head is not None and head != chosen.head:
        chosen = chosen._replace(anchors=None)  # they were the other head's
    chosen = chosen._replace(
        backbone=backbone or chosen.backbone, neck=neck or chosen.neck, head=head or chosen.head
    )
    if chosen.backbone.startswith(PREFIX):
        pixels = timm_pixels(chosen.backbone.removeprefix(PREFIX), chosen.pixels)
        chosen = chosen._replace(pixels=pixels)
    else:
        _require(chosen.backbone, "backbone", {**BACKBONES, f"{PREFIX}NAME": None})
    for part, table in (("neck", NECKS), ("head", HEADS)):
        _require(getattr(chosen, part), part, table)
    if anchors is not None and not chosen.has_anchors:
        raise ValueError(f"--anchors: the head '{chosen.head}' of {name} has no anchors; leave them out")
    if anchors is not None:
        chosen = chosen._replace(anchors=tuple(tuple((w, h) for w, h in level) for level in anchors))
    if chosen != ZOO[name]:
        with torch.device("meta"):
            build(chosen, 1)  # says what does not fit together, without memory or time
    return chosen


def parts_of(chosen: Preset) -> dict[str, Any]:
    """What `preset(chosen.name, **parts)` needs to give the same preset again, as plain data."""
    if chosen.whole is not None:
        return {}
    anchors = (
        {} if chosen.anchors is None else {"anchors": [[list(a) for a in level] for level in chosen.anchors]}
    )
    return {"backbone": chosen.backbone, "neck": chosen.neck, "head": chosen.head} | anchors


def build(chosen: Preset, num_classes: int, loss: LossSettings | None = None) -> Detector:
    """A detector of a preset's parts with fresh weights, initialised as its paper says."""
    if num_classes < 1:
        raise ValueError(f"a detector needs at least one class, not {num_classes}")
    require_loss(chosen, loss or LossSettings())
    if chosen.whole is not None:
        return chosen.whole(num_classes, chosen.pixels)
    head_family = HEADS[chosen.head]
    backbone = _backbone(chosen.backbone)
    neck = NECKS[chosen.neck](backbone.channels)
    anchors = {"anchors": chosen.anchors} if head_family.anchored else {}
    head = head_family.build(neck.channels, backbone.strides, num_classes, **anchors)
    return Detector(
        backbone,
        neck,
        head,
        partial(head_family.loss, settings=loss or LossSettings()),
        head_family.decode,
        chosen.pixels,
        stride=backbone.strides[-1],
    )


def build_detector(
    name: str,
    num_classes: int,
    *,
    backbone: str | None = None,
    neck: str | None = None,
    head: str | None = None,
    anchors: Anchors | None = None,
    loss: LossSettings | None = None,
) -> Detector:
    """A detector of the zoo with fresh weights; parts, anchors and loss can be exchanged."""
    return build(preset(name, backbone=backbone, neck=neck, head=head, anchors=anchors), num_classes, loss)


def strides_of(chosen: Preset) -> tuple[int, ...]:
    """The strides of the levels of features that the backbone gives, finest first."""
    with torch.device("meta"):  # built without memory or time
        backbone: Any = _backbone(chosen.backbone) if chosen.whole is None else build(chosen, 1).backbone
        return backbone.strides


def stride_of(chosen: Preset) -> int:
    """What the image size must be a multiple of."""
    with torch.device("meta"):
        return build(chosen, 1).stride


def require_loss(chosen: Preset, loss: LossSettings) -> None:
    """ValueError that names the flags if the detector's loss does not follow such settings."""
    flags = {
        "box": "--box-loss",
        "label_smoothing": "--label-smoothing",
        "focal": "--focal",
        "class_weights": "--class-weights",
    }
    changed = [flag for name, flag in flags.items() if getattr(loss, name) != getattr(LossSettings(), name)]
    if chosen.whole is not None and changed:
        raise ValueError(
            f"{', '.join(changed)}: the loss of {chosen.name} is its paper's own; leave that out, "
            "or choose another --model"
        )


def _backbone(name: str) -> Any:
    return TimmBackbone(name.removeprefix(PREFIX)) if name.startswith(PREFIX) else BACKBONES[name]()


def _refuse_parts(name: str, **parts: Any) -> None:
    flags = [f"--{part}" for part, value in parts.items() if value is not None]
    if flags:
        raise ValueError(
            f"{', '.join(flags)}: the parts of {name} cannot be exchanged; leave that out, or choose another "
            "--model"
        )


def _require(name: str, part: str, table: Mapping[str, Any]) -> None:
    if name not in table:
        raise ValueError(f"there is no {part} '{name}'; --{part} takes one of: {', '.join(table)}")
