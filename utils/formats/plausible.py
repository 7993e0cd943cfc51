"""Checks of whole files for conventions of another format: fractions for pixels, classes counted from 1."""

import numpy as np

from utils.data.types import Boxes

MOST = 0.9  # fraction of the boxes; single boxes may be a pixel small
FEWEST = 4  # boxes; fewer prove nothing


def refuse_fractions(boxes: Boxes, source: object) -> None:
    """Raise ValueError if nearly all boxes (xyxy, which should be pixels) lie between 0 and 1."""
    with np.errstate(invalid="ignore"):
        small = ((boxes >= 0) & (boxes <= 1)).all(axis=1)
    fractions = int(small.sum())
    if fractions >= max(FEWEST, MOST * len(boxes)) and (boxes[small] % 1 != 0).any():
        raise ValueError(
            f"{source}: {fractions} of {len(boxes)} boxes have no coordinate above 1, so they look like "
            "fractions of the image, as in YOLO text. This format has pixels: multiply x by the width and y "
            "by the height of the image"
        )


def refuse_counting_from_one(labels: np.ndarray, classes: int, source: object) -> None:
    """Raise ValueError if class numbers, including invalid ones, run from 1 to `classes`, without 0."""
    if len(labels) and labels.min() >= 1 and labels.max() == classes > 1:
        raise ValueError(
            f"{source}: class numbers go from {labels.min():.0f} to {classes}, as if counted from 1. They "
            f"count from 0: subtract 1 from each, or check --classes, which has {classes} names"
        )
