"""Place the label of each box next to the box, clear of other labels and objects where possible."""

import numpy as np

from utils.data.boxes import box_area, intersection
from utils.data.types import Boxes

# Costs of a location. Hiding another label is worst, since it makes a name unreadable.
LABEL_COST = 4.0  # times the fraction of the label's area that covers earlier labels
OBJECT_COST = 1.0  # times the fraction of each box's area that the label hides
BACKGROUND_COST = 0.1  # times the largest fraction of the label's area that covers one box
ORDER_COST = 0.03  # per location earlier in the list: usual locations are easier to read


def place_labels(boxes: Boxes, sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return left and top of each label, int [N, 2], in pixels; labels that fit are within the image.

    boxes  [N, 4] xyxy pixels, as drawn; labels are placed in this order
    sizes  int [N, 2], width and height of each label
    """
    if not len(boxes):
        return np.zeros((0, 2), int)
    corners = _locations(boxes, sizes, height, width)
    labels = np.concatenate([corners, corners + sizes[:, None]], axis=2)
    costs = _hiding_costs(labels, boxes) + ORDER_COST * np.arange(corners.shape[1])
    label_areas = np.maximum(sizes.prod(axis=1), 1)
    chosen = np.zeros((len(boxes), 4))
    for k, choices in enumerate(labels):
        covered = intersection(choices[:, None], chosen[:k]).sum(axis=1) / label_areas[k]
        chosen[k] = choices[np.argmin(costs[k] + LABEL_COST * covered)]
    return chosen[:, :2].astype(int)


def _locations(boxes: Boxes, sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return left and top of 8 possible locations per label, [N, 8, 2], best first, inside the image."""
    left, top, right, bottom = np.clip(boxes, 0, [width, height, width, height]).T
    wide, high = sizes.T
    above, below = top - high, bottom
    corners = [
        (left, above),
        (right - wide, above),
        (left, top),  # within the box
        (left, below),
        (right - wide, below),
        (right - wide, top),
        (left, bottom - high),
        (right, top),  # next to the box
    ]
    inside = np.maximum([width, height] - sizes, 0)[:, None]
    return np.clip(np.array(corners).transpose(2, 0, 1).round(), 0, inside)


def _hiding_costs(labels: Boxes, boxes: Boxes) -> np.ndarray:
    """Return the cost [N, P] of each label location [N, P, 4] for hiding parts of boxes [N, 4]."""
    shared = intersection(labels.reshape(-1, 1, 4), boxes)
    object_areas = np.maximum(box_area(boxes), 1)
    label_areas = np.maximum(box_area(labels), 1).reshape(-1)
    hidden = (shared / object_areas).sum(axis=1)
    cost = OBJECT_COST * hidden + BACKGROUND_COST * shared.max(axis=1) / label_areas
    return cost.reshape(labels.shape[:2])
