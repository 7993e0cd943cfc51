"""Weights that others published, under our names: every format of foreign checkpoints is recognised here."""

from collections.abc import Mapping

from torch import Tensor

from nets.published import torchvision as torchvision_keys
from nets.published import yolov9 as yolov9_keys
from nets.published import yolox as yolox_keys
from nets.published.darknet import from_darknet

DARKNET = "darknet"  # the name of the one tensor, all floats of a Darknet file


def from_published(state: Mapping[str, Tensor], model_name: str) -> dict[str, Tensor] | None:
    """A published state dict under our names; None if it is in no format that we know.

    `model_name` says whose layers the floats of a Darknet file are: they have no names; and which of
    torchvision's detectors is meant. ValueError if the floats cannot be that model's.
    """
    if DARKNET in state:
        return from_darknet(state[DARKNET], model_name)
    for ours in (
        torchvision_keys.from_torchvision(state, model_name),
        yolox_keys.from_yolox(state),
        yolov9_keys.from_yolov9(state),
    ):
        if ours is not None:
            return ours
    return None
