"""Conversion of the tensor names and class rows in torchvision's published checkpoints to ours.

The 91 class rows are COCO's category ids: background, 80 categories, and 10 unused ids.
https://github.com/pytorch/vision (BSD-3-Clause)
"""

import re
from collections.abc import Mapping

import torch
from torch import Tensor
from torchvision.models.detection import FasterRCNN_ResNet50_FPN_Weights

# (official, ours): patterns and replacements per detector
_FPN = (
    (r"^backbone\.fpn\.", "neck.fpn."),
    # older files
    (r"^(neck\.fpn\.(?:inner|layer)_blocks\.\d+)\.(weight|bias)$", r"\1.0.\2"),
)
_NAMES: dict[str, tuple[tuple[str, str], ...]] = {
    "ssd300_vgg16": (
        (r"^backbone\.features\.", "backbone.blocks.0."),
        (r"^backbone\.extra\.0\.", "backbone.blocks.1."),
        *((rf"^backbone\.extra\.{level}\.", f"neck.extra.{level - 1}.") for level in range(1, 5)),
        (r"^backbone\.scale_weight$", "neck.scale"),
    ),
    "ssdlite320": ((r"^backbone\.features\.", "backbone.blocks."), (r"^backbone\.extra\.", "neck.extra.")),
    "fasterrcnn": (
        *_FPN,
        (r"^(rpn|roi_heads)\.", r"head.\1."),
        (r"^(head\.rpn\.head\.conv)\.(weight|bias)$", r"\1.0.0.\2"),
    ),
    "retinanet": (
        *_FPN,
        # older files, which also number the activations between the convolutions
        *(
            (rf"^(head\.\w+_head\.conv)\.{2 * number}\.(weight|bias)$", rf"\1.{number}.0.\2")
            for number in range(4)
        ),
    ),
    "fcos": _FPN,
}
_MARKS = re.compile(r"^backbone\.(fpn|extra)\.")  # our names never begin like this

_CLASS_ROWS = re.compile(
    r"^head\.(classification_head\.(module_list\.\d+(\.1)?|cls_logits)|roi_heads\.box_predictor\.\w+)\.\w+$"
)
_CATEGORIES = FasterRCNN_ResNet50_FPN_Weights.COCO_V1.meta["categories"]
_USED = [row for row, name in enumerate(_CATEGORIES) if name not in ("__background__", "N/A")]
_WITH_BACKGROUND = ("ssd300_vgg16", "ssdlite320", "fasterrcnn")

# These two were published with an epsilon of 0; our BatchNorm adds BATCH_NORM_EPS to the variance.
_WITHOUT_EPS = ("fasterrcnn", "retinanet")
BATCH_NORM_EPS = 1e-5


def from_torchvision(state: Mapping[str, Tensor], model_name: str) -> dict[str, Tensor] | None:
    """Return a torchvision detector's state dict with our names; None if `state` is not one.

    Keeps the rows of the 80 categories out of COCO's 91. Leaves other class counts as they are, and keys that
    `model_name` does not have.
    """
    if model_name not in _NAMES or not any(_MARKS.match(name) for name in state):
        return None
    ours = {torchvision_to_our_name(name, model_name): tensor for name, tensor in state.items()}
    rows = {name: len(tensor) for name, tensor in ours.items() if _CLASS_ROWS.match(name)}
    if not rows or any(number % len(_CATEGORIES) for number in rows.values()):
        return ours
    if model_name in _WITHOUT_EPS:
        ours |= _with_eps(ours)
    return ours | {name: _used_rows(name, ours[name], model_name) for name in rows}


def torchvision_to_our_name(official: str, model_name: str) -> str:
    """Return our name for torchvision's name in `model_name`; the same name if we have none."""
    for pattern, ours in _NAMES[model_name]:
        official = re.sub(pattern, ours, official)
    return official


def _used_rows(name: str, tensor: Tensor, model_name: str) -> Tensor:
    """Return the rows of the used categories, after the background row if the network has one."""
    kept = [0, *_USED] if model_name in _WITH_BACKGROUND else _USED
    if ".bbox_pred." in name:  # four consecutive rows per class
        return tensor.unflatten(0, (len(_CATEGORIES), 4))[kept].flatten(0, 1)
    return tensor.unflatten(0, (-1, len(_CATEGORIES)))[:, kept].flatten(0, 1)


def _with_eps(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return BatchNorm weights that give the same outputs with BATCH_NORM_EPS as `state` without epsilon."""
    variances = {name: tensor for name, tensor in state.items() if name.endswith(".running_var")}
    return {
        weight: state[weight]
        * ((variance + BATCH_NORM_EPS) / variance.clamp(min=torch.finfo(variance.dtype).tiny)).sqrt()
        for weight, variance in (
            (name.replace("running_var", "weight"), variance) for name, variance in variances.items()
        )
    }
