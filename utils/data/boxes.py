"""Arithmetic on boxes as NumPy arrays: xyxy in pixels [..., 4] unless a name says otherwise.

Results have the dtype of the boxes. `nets/common/boxes.py` has the same functions for tensors.
"""

import numpy as np

from utils.data.types import Boxes


def box_area(boxes: Boxes) -> np.ndarray:
    """Return the areas [...] of boxes [..., 4] in square pixels."""
    result: np.ndarray = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return result


def intersection(first: Boxes, second: Boxes) -> np.ndarray:
    """Return the intersection areas [...] of pairs of boxes [..., 4], 0 if a pair does not overlap.

    The arrays broadcast: `intersection(first[:, None], second)` compares all pairs, [N, M].
    """
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    shared: np.ndarray = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def iou(first: Boxes, second: Boxes) -> np.ndarray:
    """Return the intersection over union of pairs of boxes; broadcasts like `intersection`.

    Two boxes without area give NaN and a NumPy warning.
    """
    shared = intersection(first, second)
    return shared / (box_area(first) + box_area(second) - shared)


def xyxy_to_xywh(boxes: Boxes) -> np.ndarray:
    """Convert boxes [N, 4] from xyxy to COCO's x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes: np.ndarray) -> Boxes:
    """Convert boxes [N, 4] from COCO's x, y, width, height to xyxy."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
