"""Detection of other projects' checkpoint formats, and conversion of their state dicts to our names."""

from collections.abc import Mapping

from torch import Tensor

from nets.published.darknet import from_darknet
from nets.published.torchvision import from_torchvision
from nets.published.yolov9 import from_yolov9
from nets.published.yolox import from_yolox

DARKNET = "darknet"  # name of the only tensor of a Darknet file, which holds all floats


def from_published(state: Mapping[str, Tensor], model_name: str) -> dict[str, Tensor] | None:
    """Return a published state dict with our names; None if its format is unknown.

    model_name  network of a Darknet file, whose floats have no names, or of a torchvision checkpoint

    ValueError if the floats of a Darknet file do not fit the model.
    """
    if DARKNET in state:
        return from_darknet(state[DARKNET], model_name)
    for ours in (from_torchvision(state, model_name), from_yolox(state), from_yolov9(state)):
        if ours is not None:
            return ours
    return None
