"""The zoo: which parts make which detector. A new network is one entry here and the parts that it names."""

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from nets.csp_darknet import CSPDarknet
from nets.detector import Detector
from nets.pafpn import PAFPN
from nets.pixels import PixelFormat
from nets.structures import Decoded, Targets
from nets.yolox_head import YOLOXHead, decode
from nets.yolox_keys import from_official
from nets.yolox_loss import yolox_loss


class HeadFamily(NamedTuple):
    """A head with the loss and the decoder that know what its raw outputs mean."""

    build: Callable[..., nn.Module]
    loss: Callable[[Any, Targets], dict[str, Tensor]]
    decode: Callable[[Any], Decoded]


class Preset(NamedTuple):
    """One named detector.

    depth, width      multiples of the family's number of blocks and of channels
    separable         depthwise convolutions in place of full ones
    image_size        height and width that its published figures are given for
    from_official     turns an official state dict into ours, or None where it is not of that family
    """

    backbone: str
    neck: str
    head: str
    depth: float
    width: float
    separable: bool
    image_size: tuple[int, int]
    pixels: PixelFormat
    from_official: Callable[[Any], dict[str, Tensor] | None]


BACKBONES = {"csp_darknet": CSPDarknet}
NECKS = {"pafpn": PAFPN}
HEADS = {"yolox": HeadFamily(YOLOXHead, yolox_loss, decode)}

_YOLOX_PIXELS = PixelFormat(channels="bgr", scale=1.0, pad_centred=False)


def _yolox(depth: float, width: float, side: int, separable: bool = False) -> Preset:
    return Preset(
        "csp_darknet", "pafpn", "yolox", depth, width, separable, (side, side), _YOLOX_PIXELS, from_official
    )


ZOO: dict[str, Preset] = {
    "yolox_nano": _yolox(0.33, 0.25, 416, separable=True),
    "yolox_tiny": _yolox(0.33, 0.375, 416),
    "yolox_s": _yolox(0.33, 0.5, 640),
    "yolox_m": _yolox(0.67, 0.75, 640),
    "yolox_l": _yolox(1.0, 1.0, 640),
    "yolox_x": _yolox(1.33, 1.25, 640),
}


def preset(name: str) -> Preset:
    """The zoo's entry for `name`; ValueError that lists the names if there is none."""
    if name not in ZOO:
        raise ValueError(f"there is no model '{name}'; --model takes one of: {', '.join(ZOO)}")
    return ZOO[name]


def stride_of(name: str) -> int:
    """What the image size of a detector of the zoo must be a multiple of."""
    with torch.device("meta"):  # built without memory or time
        return build_detector(name, 1).stride


def build_detector(name: str, num_classes: int) -> Detector:
    """A detector of the zoo with fresh weights, initialised as its paper says."""
    if num_classes < 1:
        raise ValueError(f"a detector needs at least one class, not {num_classes}")
    chosen = preset(name)
    head_family = HEADS[chosen.head]
    backbone = BACKBONES[chosen.backbone](chosen.depth, chosen.width, chosen.separable)
    neck = NECKS[chosen.neck](backbone.channels, chosen.depth, chosen.separable)
    head = head_family.build(neck.channels, backbone.strides, num_classes, chosen.width, chosen.separable)
    return Detector(
        backbone, neck, head, head_family.loss, head_family.decode, chosen.pixels, stride=backbone.strides[-1]
    )
