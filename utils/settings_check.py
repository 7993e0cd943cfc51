"""The range of every setting of a training."""

from collections.abc import Mapping
from typing import Any

from utils.preflight import check_values

RANGES = {
    "at least 1": ("epochs", "batch_parts", "batch_size", "freeze_batch_size", "eval_period"),
    "at least 0": (
        "freeze_epochs",
        "warmup_epochs",
        "clip",
        "workers",
        "save_period",
        "save_steps",
        "patience",
        "seed",
    ),
    "from 0 to 1": (
        *("mosaic", "mixup", "clean_share", "translate", "flip", "label_smoothing"),
        *("copy_paste", "cut_out", "hue", "saturation", "brightness"),
    ),
    "above 0": ("lr",),
    "above 0 and at most 1": ("layer_decay",),
    "above 0 and below 1": ("momentum",),
    "a plain name": ("name",),
}


def check_settings(settings: Mapping[str, Any]) -> None:
    """ValueError that names every setting of train.py that is out of its range."""
    check_values(settings, RANGES)
