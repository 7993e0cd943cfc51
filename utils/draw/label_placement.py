"""Where the tag of each box goes on an image: beside its box, off other tags and objects where it can be."""

import numpy as np

from utils.data.boxes import area, intersection

# What a place costs. To hide another tag is worst, for then a name is lost.
TAG = 4.0  # times the share of the tag that lies on tags placed before
OBJECT = 1.0  # times the share of each box that the tag hides
BACKGROUND = 0.1  # times the share of the tag that lies on any box
ORDER = 0.03  # for each place that comes before in the list: habit is worth something to the eye


def place_tags(boxes: np.ndarray, sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Left and top of each tag, int [N, 2], in whole pixels; it lies within the image if it fits in there.

    boxes  [N, 4] xyxy pixels, as drawn; the first chooses first
    sizes  int [N, 2], width and height of the tags
    """
    if not len(boxes):
        return np.zeros((0, 2), int)
    places = _places(boxes, sizes, height, width)
    tags = np.concatenate([places, places + sizes[:, None]], axis=2)
    costs = _hidden(tags, boxes) + ORDER * np.arange(places.shape[1])
    tag_area = np.maximum(sizes.prod(axis=1), 1)
    chosen = np.zeros((len(boxes), 4))
    for k, choices in enumerate(tags):
        covered = intersection(choices[:, None], chosen[:k]).sum(axis=1) / tag_area[k]
        chosen[k] = choices[np.argmin(costs[k] + TAG * covered)]
    return chosen[:, :2].astype(int)


def _places(boxes: np.ndarray, sizes: np.ndarray, height: int, width: int) -> np.ndarray:
    """Left and top of the places that a tag may take, [N, 8, 2], best first, moved into the image."""
    left, top, right, bottom = np.clip(boxes, 0, [width, height, width, height]).T
    wide, high = sizes.T
    above, below = top - high, bottom
    places = [
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
    return np.clip(np.array(places).transpose(2, 0, 1).round(), 0, inside)


def _hidden(tags: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """What each place of [N, P, 4] costs for the boxes [N, 4] that it hides, [N, P]."""
    number, places = tags.shape[:2]
    shared = intersection(tags.reshape(-1, 1, 4), boxes)
    box_area = np.maximum(area(boxes), 1)
    tag_area = np.maximum(area(tags), 1).reshape(-1)
    cost = OBJECT * (shared / box_area).sum(axis=1) + BACKGROUND * shared.max(axis=1) / tag_area
    return cost.reshape(number, places)
