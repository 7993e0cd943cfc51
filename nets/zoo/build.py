"""Building of the zoo's detectors by name, with any part exchanged."""

from collections.abc import Mapping, Sequence
from dataclasses import fields
from functools import partial
from typing import Any

import torch

from nets.backbones.timm_backbone import TIMM_PREFIX, TimmBackbone, timm_pixels
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
    """Return the zoo's preset `name`, with its parts and anchors replaced by those given.

    ValueError, listing the valid names, if a model or part does not exist, or if parts do not fit together.
    """
    if name not in ZOO:
        raise ValueError(f"there is no model '{name}'; --model takes one of: {', '.join(ZOO)}")
    chosen = ZOO[name]
    if chosen.builder is not None:
        _refuse_parts(name, backbone=backbone, neck=neck, head=head, anchors=anchors)
        return chosen
    if head is not None and head != chosen.head:
        chosen = chosen._replace(anchors=None)  # the preset's anchors are for its own head
    chosen = chosen._replace(
        backbone=backbone or chosen.backbone, neck=neck or chosen.neck, head=head or chosen.head
    )
    if chosen.backbone.startswith(TIMM_PREFIX):
        pixels = timm_pixels(chosen.backbone.removeprefix(TIMM_PREFIX), chosen.pixels)
        chosen = chosen._replace(pixels=pixels)
    else:
        _require(chosen.backbone, "backbone", {**BACKBONES, f"{TIMM_PREFIX}NAME": None})
    _require(chosen.neck, "neck", NECKS)
    _require(chosen.head, "head", HEADS)
    if anchors is not None and not chosen.has_anchors:
        raise ValueError(f"--anchors: the head '{chosen.head}' of {name} has no anchors; leave them out")
    if anchors is not None:
        chosen = chosen._replace(anchors=tuple(tuple((w, h) for w, h in level) for level in anchors))
    if chosen != ZOO[name]:
        with torch.device("meta"):
            build(chosen, 1)  # raises if the parts do not fit; needs no memory and no time
    return chosen


def parts_of(chosen: Preset) -> dict[str, Any]:
    """Return as plain data the parts for which `preset(chosen.name, **parts)` gives the same preset."""
    named = {"backbone": chosen.backbone, "neck": chosen.neck, "head": chosen.head}
    parts: dict[str, Any] = {part: name for part, name in named.items() if name}
    if chosen.anchors is not None:
        parts["anchors"] = [[list(anchor) for anchor in level] for level in chosen.anchors]
    return parts


def build(chosen: Preset, num_classes: int, loss: LossSettings | None = None) -> Detector:
    """Build the detector of a preset, with weights initialised as in its paper."""
    if num_classes < 1:
        raise ValueError(f"a detector needs at least one class, not {num_classes}")
    loss = loss or LossSettings()
    if chosen.builder is not None:
        require_loss(chosen, loss)
        return chosen.builder(num_classes, chosen.pixels)
    head_family = HEADS[chosen.head]
    backbone = _backbone(chosen.backbone)
    neck = NECKS[chosen.neck](backbone.channels)
    anchors = {"anchors": chosen.anchors} if head_family.anchored else {}
    head = head_family.build(neck.channels, backbone.strides, num_classes, **anchors)
    return Detector(
        backbone,
        neck,
        head,
        partial(head_family.loss, settings=loss),
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
    """Build a detector of the zoo with initial weights; parts, anchors and loss can be exchanged."""
    return build(preset(name, backbone=backbone, neck=neck, head=head, anchors=anchors), num_classes, loss)


def strides_of(chosen: Preset) -> tuple[int, ...]:
    """Return the strides of the backbone's feature levels, finest first."""
    with torch.device("meta"):  # needs no memory and no time
        backbone: Any = build(chosen, 1).backbone
    return backbone.strides


def stride_of(chosen: Preset) -> int:
    """Return the number that must divide the input height and width."""
    with torch.device("meta"):
        return build(chosen, 1).stride


def require_loss(chosen: Preset, loss: LossSettings) -> None:
    """Raise ValueError, naming the flags, if the detector's loss does not support the settings."""
    if chosen.builder is None:
        return
    changed = [f"--{x.name.replace('_', '-')}" for x in fields(loss) if getattr(loss, x.name) != x.default]
    if changed:
        raise ValueError(
            f"{', '.join(changed)}: the loss of {chosen.name} is fixed; leave the flags out, "
            "or choose another --model"
        )


def _backbone(name: str) -> Any:
    return TimmBackbone(name.removeprefix(TIMM_PREFIX)) if name.startswith(TIMM_PREFIX) else BACKBONES[name]()


def _refuse_parts(name: str, **parts: Any) -> None:
    flags = [f"--{part}" for part, value in parts.items() if value is not None]
    if flags:
        raise ValueError(
            f"{', '.join(flags)}: the parts of {name} cannot be exchanged; leave the flags out, "
            "or choose another --model"
        )


def _require(name: str, part: str, table: Mapping[str, Any]) -> None:
    if name not in table:
        raise ValueError(f"there is no {part} '{name}'; --{part} takes one of: {', '.join(table)}")
