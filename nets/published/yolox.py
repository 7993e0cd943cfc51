"""Conversion of the tensor names in official YOLOX checkpoints to ours.

Official checkpoints: https://github.com/Megvii-BaseDetection/YOLOX (Apache-2.0), `{"model": state_dict}`.
"""

import re
from collections.abc import Iterable, Mapping

from torch import Tensor

# (official, ours): prefixes
_PREFIXES = (
    ("backbone.backbone.stem", "backbone.stem"),
    ("backbone.backbone.dark2", "backbone.stage1"),
    ("backbone.backbone.dark3", "backbone.stage2"),
    ("backbone.backbone.dark4", "backbone.stage3"),
    ("backbone.backbone.dark5", "backbone.stage4"),
    ("backbone.lateral_conv0", "neck.lateral_coarse"),
    ("backbone.C3_p4", "neck.pyramid_middle"),
    ("backbone.reduce_conv1", "neck.lateral_middle"),
    ("backbone.C3_p3", "neck.pyramid_fine"),
    ("backbone.bu_conv2", "neck.down_fine"),
    ("backbone.C3_n3", "neck.path_middle"),
    ("backbone.bu_conv1", "neck.down_middle"),
    ("backbone.C3_n4", "neck.path_coarse"),
    ("head.cls_convs", "head.class_convs"),
    ("head.reg_convs", "head.box_convs"),
    ("head.cls_preds", "head.class_preds"),
    ("head.reg_preds", "head.box_preds"),
    ("head.obj_preds", "head.objectness_preds"),
    ("head.stems", "head.stems"),
)
# name patterns within blocks, and their replacements
_BLOCKS = (
    # the bottlenecks of a CSP layer: `m.0.conv1` is the 1x1, `m.0.conv2` the 3x3 convolution
    (r"\.m\.(\d+)\.conv1\.", r".blocks.\1.reduce."),
    (r"\.m\.(\d+)\.conv2\.", r".blocks.\1.spatial."),
    # the SPP is the second of three modules in the last stage
    (r"^(backbone\.stage4\.1)\.conv1\.", r"\1.reduce."),
    (r"^(backbone\.stage4\.1)\.conv2\.", r"\1.merge."),
    # the remaining names belong to CSP layers
    (r"\.conv1\.", ".main."),
    (r"\.conv2\.", ".bypass."),
    (r"\.conv3\.", ".merge."),
    (r"\.dconv\.", ".depthwise."),
    (r"\.pconv\.", ".pointwise."),
)


def yolox_to_our_name(official: str) -> str | None:
    """Return our name for an official one; None if it is not an official name."""
    for theirs, ours in _PREFIXES:
        if official.startswith(theirs + "."):
            name = ours + official.removeprefix(theirs)
            for pattern, replacement in _BLOCKS:
                name = re.sub(pattern, replacement, name)
            return name
    return None


def from_yolox(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return a state dict with our names; None if any name is not YOLOX's."""
    names = {name: yolox_to_our_name(name) for name in state}
    if not names or None in names.values():
        return None
    return {str(ours): state[name] for name, ours in names.items()}


def official_names(ours: Iterable[str], official: Iterable[str]) -> dict[str, str]:
    """Map those of our names that have an official name in `official` to it."""
    theirs = {yolox_to_our_name(name): name for name in official}
    return {name: theirs[name] for name in ours if name in theirs}
