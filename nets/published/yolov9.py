"""Conversion of the tensor names in the YOLOv9 checkpoints published under the MIT licence to ours.

https://github.com/MultimediaTechLab/YOLO (MIT): a state dict whose names begin with the layer number.
"""

import re
from collections.abc import Mapping

from torch import Tensor

_Patterns = tuple[tuple[str, str], ...]

# (official, ours): name patterns within each kind of layer, applied in this order
_AGGREGATION: _Patterns = (
    (r"\.bottleneck\.(\d+)\.conv1\.conv1\.", r".blocks.\1.rep.spatial."),
    (r"\.bottleneck\.(\d+)\.conv1\.conv2\.", r".blocks.\1.rep.pointwise."),
    (r"\.bottleneck\.(\d+)\.conv2\.", r".blocks.\1.spatial."),
    (r"\.0\.conv1\.", ".0.main."),
    (r"\.0\.conv2\.", ".0.bypass."),
    (r"\.0\.conv3\.", ".0.merge."),
    (r"^conv1\.", "split."),
    (r"^conv2\.", "first."),
    (r"^conv3\.", "second."),
    (r"^conv4\.", "merge."),
)
_DOWN: _Patterns = ((r"^conv1\.", "spatial."), (r"^conv2\.", "pointwise."))
_POOL: _Patterns = ((r"^conv1\.", "reduce."), (r"^conv5\.", "merge."))
_HEAD: _Patterns = (
    (r"^heads\.(\d+)\.anchor_conv\.2\.", r"distance_preds.\1."),
    (r"^heads\.(\d+)\.class_conv\.2\.", r"class_preds.\1."),
    (r"^heads\.(\d+)\.anchor_conv\.", r"box_convs.\1."),
    (r"^heads\.(\d+)\.class_conv\.", r"class_convs.\1."),
)

# official layer number -> our prefix, and the name patterns of its kind of layer
_LAYERS: dict[int, tuple[str, _Patterns]] = {
    0: ("backbone.stem.0", ()),
    1: ("backbone.stem.1", ()),
    2: ("backbone.stage1", _AGGREGATION),
    3: ("backbone.stage2.0", _DOWN),
    4: ("backbone.stage2.1", _AGGREGATION),
    5: ("backbone.stage3.0", _DOWN),
    6: ("backbone.stage3.1", _AGGREGATION),
    7: ("backbone.stage4.0", _DOWN),
    8: ("backbone.stage4.1", _AGGREGATION),
    9: ("neck.pool", _POOL),
    12: ("neck.pyramid_middle", _AGGREGATION),
    15: ("neck.pyramid_fine", _AGGREGATION),
    16: ("neck.down_fine", _DOWN),
    18: ("neck.path_middle", _AGGREGATION),
    19: ("neck.down_middle", _DOWN),
    21: ("neck.path_coarse", _AGGREGATION),
    22: ("head", _HEAD),
}
_SIGN = "22.heads.0.class_conv.2.weight"  # no other format has a tensor of this name


def yolov9_to_our_name(official: str) -> str | None:
    """Return our name for an official one; None if we have no such tensor.

    We have neither the auxiliary branch, which follows the last layer, nor the tensor of bin values.
    """
    number, _, name = official.partition(".")
    if not number.isdigit() or int(number) not in _LAYERS or ".anc2vec." in name:
        return None
    layer, patterns = _LAYERS[int(number)]
    for pattern, replacement in patterns:
        name = re.sub(pattern, replacement, name)
    return f"{layer}.{name}"


def from_yolov9(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return a state dict with our names, without tensors we do not have; None if it is not YOLOv9's."""
    if _SIGN not in state:
        return None
    return {ours: value for name, value in state.items() if (ours := yolov9_to_our_name(name)) is not None}
