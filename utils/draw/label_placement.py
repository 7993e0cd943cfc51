"""Place the label of each box on an image: at its box, clear of other labels and objects where possible."""

import numpy as np

from utils.data.boxes import box_area, intersection
from utils.data.types import Boxes

# The cost of a location. To hide another label is worst, for then a name is lost.
LABEL_COST = 4.0  # times the share of the label that covers labels placed before
OBJECT_COST = 1.0  # times the share of each box that the label hides
BACKGROUND_COST = 0.1  # times the share of the label that covers any box
ORDER_COST = 0.03  # for each location earlier in the list: usual locations are easier to read


def place_labels(boxes: Boxes, sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Return left and top of each label, int [N, 2], in whole pixels; within the image if it fits.

    boxes  [N, 4] xyxy pixels, as drawn; the first has the first choice
    sizes  int [N, 2], width and height of the labels
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
    """Left and top of the possible locations of each label, [N, 8, 2], best first, moved into the image."""
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
        (right, top),  # beside it
    ]
    inside = np.maximum([width, height] - sizes, 0)[:, None]
    return np.clip(np.array(corners).transpose(2, 0, 1).round(), 0, inside)


def _hiding_costs(labels: Boxes, boxes: Boxes) -> np.ndarray:
    """The cost of each location [N, P, 4] for the boxes [N, 4] that it hides, [N, P]."""
    shared = intersection(labels.reshape(-1, 1, 4), boxes)
    object_areas = np.maximum(box_area(boxes), 1)
    label_areas = np.maximum(box_area(labels), 1).reshape(-1)
    hidden = (shared / object_areas).sum(axis=1)
    cost = OBJECT_COST * hidden + BACKGROUND_COST * shared.max(axis=1) / label_areas
    return cost.reshape(labels.shape[:2])
