"""What a detector is: backbone, neck, head, loss and decoding. Imports nothing of `utils`."""

from nets.losses.common import LossSettings
from nets.zoo import BACKBONES, HEADS, NECKS, ZOO, Preset
from nets.zoo_build import build, build_detector, parts_of, preset, require_loss, stride_of, strides_of

__all__ = [
    "BACKBONES",
    "HEADS",
    "NECKS",
    "ZOO",
    "LossSettings",
    "Preset",
    "build",
    "build_detector",
    "parts_of",
    "preset",
    "require_loss",
    "stride_of",
    "strides_of",
]
