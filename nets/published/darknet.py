"""Conversion of the floats in a Darknet `.weights` file to tensors with our names.

They follow the order of the convolutions in the cfg file: BatchNorm's bias, scale, mean and variance, then
the kernel; without BatchNorm, bias and kernel. https://github.com/AlexeyAB/darknet (public domain)
"""

import functools
import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from nets.layers.blocks import ConvBNAct
from nets.zoo.build import build_detector

_TINY_ORDER = (
    "backbone",
    "neck.coarse",
    "head.convs.1",
    "predict.1",
    "neck.up_fine",
    "head.convs.0",
    "predict.0",
)
# Our modules in the order of the convolutions in the cfg files. "predict" is the last 1x1 convolution of a
# level, which we split into three.
ORDERS: dict[str, tuple[str, ...]] = {
    "yolov3": (
        "backbone",
        "neck.coarse",
        "head.convs.2",
        "predict.2",
        "neck.up_middle",
        "neck.middle",
        "head.convs.1",
        "predict.1",
        "neck.up_fine",
        "neck.fine",
        "head.convs.0",
        "predict.0",
    ),
    "yolov3_tiny": _TINY_ORDER,
    "yolov4": (
        "backbone",
        "neck.before_pool",
        "neck.after_pool",
        "neck.up_middle",
        "neck.lateral_middle",
        "neck.pyramid_middle",
        "neck.up_fine",
        "neck.lateral_fine",
        "neck.pyramid_fine",
        "head.convs.0",
        "predict.0",
        "neck.down_fine",
        "neck.path_middle",
        "head.convs.1",
        "predict.1",
        "neck.down_middle",
        "neck.path_coarse",
        "head.convs.2",
        "predict.2",
    ),
    "yolov4_tiny": _TINY_ORDER,
}


def from_darknet(floats: Tensor, name: str) -> dict[str, Tensor]:
    """Convert the floats [N] of a file to a state dict of the zoo's `name`, or another network that they fit.

    The network and the number of classes are inferred from the number of floats. A file may end after any
    layer from the end of the backbone on: such files are published as pretrained backbones, and are taken to
    belong to `name`. ValueError with the expected counts if no file has this number of floats.
    """
    for network in sorted(ORDERS, key=lambda network: network != name):
        none, each = _floats_by_classes(network)
        classes, rest = divmod(len(floats) - none, each)
        if classes > 0 and rest == 0:
            return _split(floats, file_shapes(network, classes))
    if name not in ORDERS:
        raise ValueError(f"it is a Darknet file, but of none of the networks {', '.join(ORDERS)}")
    return _split(floats, _beginning(floats, name))


@functools.cache
def _floats_by_classes(name: str) -> tuple[int, int]:
    """Return the number of floats in a network's file without classes, and the number per class."""
    one, two = (sum(map(math.prod, file_shapes(name, classes).values())) for classes in (1, 2))
    return 2 * one - two, two - one


@functools.cache
def file_shapes(name: str, num_classes: int) -> dict[str, torch.Size]:
    """Return the names and shapes of a network's tensors in the order of its Darknet file."""
    with torch.device("meta"):
        detector = build_detector(name, num_classes)
    shapes: dict[str, torch.Size] = {}
    modules = dict(detector.named_modules())
    for module_name in ORDERS[name]:
        kind, _, level = module_name.partition(".")
        if kind == "predict":
            shapes |= _predictor_shapes(modules, level)
        else:
            shapes |= _layer_shapes(module_name, modules[module_name])
    return shapes


def _layer_shapes(prefix: str, module: nn.Module) -> dict[str, torch.Size]:
    shapes: dict[str, torch.Size] = {}
    for name, layer in module.named_modules(prefix=prefix):
        if isinstance(layer, ConvBNAct):
            entries = ("bn.bias", "bn.weight", "bn.running_mean", "bn.running_var", "conv.weight")
            state = layer.state_dict()
            shapes |= {f"{name}.{entry}": state[entry].shape for entry in entries}
    return shapes


def _predictor_shapes(modules: Mapping[str, nn.Module], level: str) -> dict[str, torch.Size]:
    """Return the shapes of the file's single convolution that we split into three, named `predict`."""
    weights = [
        modules[f"head.{kind}_preds.{level}"].get_parameter("weight")
        for kind in ("box", "objectness", "class")
    ]
    rows = sum(len(weight) for weight in weights)
    whole = torch.Size((rows, *weights[0].shape[1:]))
    return {f"predict.{level}.bias": whole[:1], f"predict.{level}.weight": whole}


def _split(floats: Tensor, shapes: Mapping[str, torch.Size]) -> dict[str, Tensor]:
    pieces = floats.split([math.prod(shape) for shape in shapes.values()])
    state = {name: piece.view(shape) for (name, shape), piece in zip(shapes.items(), pieces, strict=True)}
    for name in [name for name in state if name.startswith("predict.")]:
        state |= _cut_predictor(name, state.pop(name))
    return state


def _cut_predictor(name: str, whole: Tensor) -> dict[str, Tensor]:
    """Split the rows of a `predict` tensor into box, objectness and classes, for each of three anchors."""
    _, level, kind = name.split(".")
    anchors = whole.view(3, -1, *whole.shape[1:])
    cuts = {"box": anchors[:, :4], "objectness": anchors[:, 4:5], "class": anchors[:, 5:]}
    return {f"head.{cut}_preds.{level}.{kind}": rows.flatten(0, 1) for cut, rows in cuts.items()}


def _beginning(floats: Tensor, name: str) -> dict[str, torch.Size]:
    """Return the shapes in a file that ends after a layer; otherwise raise ValueError with the counts."""
    shapes = file_shapes(name, 1)
    layers_left = sum(tensor.startswith("backbone.") for tensor in shapes)
    chosen: dict[str, torch.Size] = {}
    for tensor, shape in shapes.items():
        if tensor.startswith("predict."):
            break  # the shapes from here on depend on the number of classes
        chosen[tensor] = shape
        layers_left -= 1
        ends_a_layer = tensor.endswith("conv.weight") and layers_left <= 0
        if ends_a_layer and sum(map(math.prod, chosen.values())) == len(floats):
            return chosen
    none, each = _floats_by_classes(name)
    raise ValueError(
        f"it holds {len(floats):,} floats, and a Darknet file of {name} holds {none:,}, and {each:,} more "
        f"for each class, {none + 80 * each:,} for COCO's 80: it is truncated, too long, or another network's"
    )
