"""Detectors: backbones, necks, heads, losses and decoding. Imports nothing of `utils`."""

from nets.losses.common import LossSettings
from nets.zoo.build import build, build_detector, parts_of, preset, require_loss, stride_of, strides_of
from nets.zoo.presets import BACKBONES, HEADS, NECKS, ZOO, Preset

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
