"""Checks of whole files for conventions of another format: fractions for pixels, corners for sizes, classes
counted from 1.
"""

import numpy as np

from utils.data.types import Boxes

MOST = 0.9  # fraction of the boxes; single boxes may be a pixel small
FAR = 0.02  # of the image, beyond its border; labels drawn by hand may be a little beyond
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


def refuse_corners(stated: np.ndarray, boxes: Boxes, sizes: np.ndarray, form: str, source: object) -> None:
    """Raise ValueError if boxes stated by width and height seem to be corners x1, y1, x2, y2.

    stated  [N, 4], the numbers of each box, in the file's form `form`
    boxes   [N, 4], xyxy as read in that form, not clipped
    sizes   [N, 2], width and height of the image of each box; 0 if unknown

    Corners read as sizes make most boxes too large for their images, and nearly all fit as corners.
    """
    with np.errstate(invalid="ignore"):
        beyond = ((boxes[:, :2] < -FAR * sizes) | (boxes[:, 2:] > (1 + FAR) * sizes)).any(axis=1)
        fit = (stated[:, :2] >= 0) & (stated[:, 2:] > stated[:, :2]) & (stated[:, 2:] <= (1 + FAR) * sizes)
    far = int((beyond & sizes.all(axis=1)).sum())
    if far >= max(FEWEST, len(stated) / 2) and fit.all(axis=1).sum() >= MOST * len(stated):
        raise ValueError(
            f"{source}: {far} of {len(stated)} boxes reach far beyond their image, so the numbers look like "
            f"the corners x1, y1, x2, y2. This format has {form}: convert them"
        )


def refuse_counting_from_one(labels: np.ndarray, classes: int, source: object) -> None:
    """Raise ValueError if class numbers, including invalid ones, run from 1 to `classes`, without 0."""
    if len(labels) and labels.min() >= 1 and labels.max() == classes > 1:
        raise ValueError(
            f"{source}: class numbers go from {labels.min():.0f} to {classes}, as if counted from 1. They "
            f"count from 0: subtract 1 from each, or check --classes, which has {classes} names"
        )
