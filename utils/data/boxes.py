"""Arithmetic on boxes as NumPy arrays: xyxy in pixels [..., 4] unless a name says otherwise.

The dtype of the boxes is that of the result. `nets/common/boxes.py` does the same on tensors.
"""

import numpy as np

from utils.data.types import Boxes


def box_area(boxes: Boxes) -> np.ndarray:
    """Areas of boxes [..., 4] in square pixels: [...]."""
    result: np.ndarray = (boxes[..., 2] - boxes[..., 0]) * (boxes[..., 3] - boxes[..., 1])
    return result


def intersection(first: Boxes, second: Boxes) -> np.ndarray:
    """Area that each box shares with its partner, 0 where they are apart: [..., 4] and [..., 4] -> [...].

    The two broadcast: `intersection(first[:, None], second)` compares each box with each, [N, M].
    """
    width = np.minimum(first[..., 2], second[..., 2]) - np.maximum(first[..., 0], second[..., 0])
    height = np.minimum(first[..., 3], second[..., 3]) - np.maximum(first[..., 1], second[..., 1])
    shared: np.ndarray = np.maximum(width, 0) * np.maximum(height, 0)
    return shared


def iou(first: Boxes, second: Boxes) -> np.ndarray:
    """Intersection over union of each box with its partner; broadcasts like `intersection`.

    Two boxes without area give NaN and NumPy's warning.
    """
    shared = intersection(first, second)
    return shared / (box_area(first) + box_area(second) - shared)


def xyxy_to_xywh(boxes: Boxes) -> np.ndarray:
    """Boxes xyxy [N, 4] as COCO's x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], axis=1)


def xywh_to_xyxy(boxes: np.ndarray) -> Boxes:
    """COCO's x, y, width, height [N, 4] as boxes xyxy."""
    return np.concatenate([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
