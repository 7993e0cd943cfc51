"""The names that official YOLOX checkpoints give to our tensors, apart from nets/published/yolox.py."""

import re
from collections.abc import Mapping

from torch import Tensor

_PARTS = {
    "backbone.stem": "backbone.backbone.stem",
    "backbone.stage1": "backbone.backbone.dark2",
    "backbone.stage2": "backbone.backbone.dark3",
    "backbone.stage3": "backbone.backbone.dark4",
    "backbone.stage4": "backbone.backbone.dark5",
    "neck.lateral_coarse": "backbone.lateral_conv0",
    "neck.pyramid_middle": "backbone.C3_p4",
    "neck.lateral_middle": "backbone.reduce_conv1",
    "neck.pyramid_fine": "backbone.C3_p3",
    "neck.down_fine": "backbone.bu_conv2",
    "neck.path_middle": "backbone.C3_n3",
    "neck.down_middle": "backbone.bu_conv1",
    "neck.path_coarse": "backbone.C3_n4",
    "head.stems": "head.stems",
    "head.class_convs": "head.cls_convs",
    "head.box_convs": "head.reg_convs",
    "head.class_preds": "head.cls_preds",
    "head.box_preds": "head.reg_preds",
    "head.objectness_preds": "head.obj_preds",
}


def official_name(ours: str) -> str:
    """The official name of one of our tensors; KeyError if it belongs to no part that we know."""
    part, module, rest = ours.split(".", 2)
    name = f"{_PARTS[f'{part}.{module}']}.{rest}"
    if name.startswith("backbone.backbone.dark5.1."):  # SPP has two convolutions, a CSP layer three
        return name.replace(".reduce.", ".conv1.").replace(".merge.", ".conv2.")
    name = re.sub(r"\.blocks\.(\d+)\.reduce\.", r".m.\1.conv1.", name)
    name = re.sub(r"\.blocks\.(\d+)\.spatial\.", r".m.\1.conv2.", name)
    for theirs, our in (("conv1", "main"), ("conv2", "bypass"), ("conv3", "merge")):
        name = name.replace(f".{our}.", f".{theirs}.")
    return name.replace(".depthwise.", ".dconv.").replace(".pointwise.", ".pconv.")


def as_official(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Our state dict under the official names."""
    return {official_name(name): value for name, value in state.items()}
