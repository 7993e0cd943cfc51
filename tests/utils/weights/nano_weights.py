"""Small detectors, and their weights as if they came from a file."""

import torch

from nets import build_detector, preset
from utils.weights.read_weights import Weights

NANO = preset("yolox_nano")
LAYERS = [f"head.class_preds.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")]


def floating(module):
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def weights_of(detector, names=None):
    return Weights("donor.pt", floating(detector), names)


def fresh(classes, name="yolox_nano"):
    torch.manual_seed(2)
    return build_detector(name, classes)


def equal(first, second):
    other = floating(second)
    return all(torch.equal(value, other[name]) for name, value in floating(first).items())
