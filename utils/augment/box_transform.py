"""The boxes of all images of a batch taken to their places at once, a hundred times fewer small steps."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.augment.placement import Placement
from utils.augment.settings import Augmentation
from utils.data.boxes import box_area
from utils.data.index import DatasetIndex
from utils.data.targets import Objects


class Placed(NamedTuple):
    """An image in its place.

    canvas     which image of the batch
    image    its number in the data set
    reduction  how many pixels of the original make one of the decoded image, along each side
    """

    canvas: int
    image: int
    reduction: int
    placement: Placement


def placed_objects(index: DatasetIndex, placed: Sequence[Placed], settings: Augmentation) -> Objects:
    """The objects of the images where they are seen now, by canvas, without what is hardly seen.

    Crowds and objects flagged as difficult are left out: they are no targets.
    """
    if not placed:
        return Objects(np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0, np.int64))
    rows, owner = _rows_of(index, np.array([entry.image for entry in placed]))
    kept = ~(index.crowd[rows] | index.difficult[rows])
    rows, owner = rows[kept], owner[kept]
    matrices = np.stack([entry.placement.matrix for entry in placed])
    matrices[:, :, :2] /= np.array([entry.reduction for entry in placed])[:, None, None]
    areas = np.array([entry.placement.area for entry in placed], np.float64)
    boxes = map_boxes(index.boxes[rows].astype(np.float64), matrices[owner])
    clipped, seen = visible_boxes(boxes, areas[owner], settings)
    canvas = np.array([entry.canvas for entry in placed])[owner]
    objects = Objects(canvas, clipped, index.labels[rows].astype(np.int64)).of(seen)
    return objects.of(np.argsort(objects.sample, kind="stable"))


def map_boxes(boxes: np.ndarray, matrices: np.ndarray) -> np.ndarray:
    """Boxes [N, 4] taken through a matrix [N, 2, 3] each; upright boxes again, xyxy, not clipped.

    A turned box becomes that of the ellipse that touches its sides: the box around its turned corners would
    be too large for most objects, whose own corners are empty. https://arxiv.org/abs/2109.13488
    """
    scales, offsets = matrices[:, [0, 1], [0, 1]], matrices[:, :, 2]
    mapped = boxes * np.tile(scales, 2) + np.tile(offsets, 2)
    turned = np.flatnonzero((matrices[:, 0, 1] != 0) | (matrices[:, 1, 0] != 0))
    if len(turned):
        linear = matrices[turned, :, :2]
        middle = (boxes[turned, :2] + boxes[turned, 2:]) / 2
        half = (boxes[turned, 2:] - boxes[turned, :2]) / 2
        middle = np.einsum("nij,nj->ni", linear, middle) + offsets[turned]
        half = np.sqrt(np.einsum("nij,nj->ni", linear**2, half**2))
        mapped[turned] = np.concatenate([middle - half, middle + half], axis=1)
    return mapped


def visible_boxes(
    boxes: np.ndarray, areas: np.ndarray, settings: Augmentation
) -> tuple[np.ndarray, np.ndarray]:
    """Clip boxes [N, 4] to an area [N, 4] each, and say of which (bool [N]) enough is left."""
    lowest, highest = np.tile(areas[:, :2], 2), np.tile(areas[:, 2:], 2)
    clipped = np.minimum(np.maximum(boxes, lowest), highest)
    shorter = (clipped[:, 2:] - clipped[:, :2]).min(axis=1)
    seen = (shorter > 0) & (shorter >= settings.min_size)
    return clipped, seen & (box_area(clipped) >= settings.min_visibility * box_area(boxes))


def _rows_of(index: DatasetIndex, images: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The positions of the images' boxes in the index, and whose they are as positions in `images`."""
    starts = np.asarray(index.box_offsets)[images]
    counts = np.asarray(index.box_offsets)[images + 1] - starts
    owner = np.repeat(np.arange(len(images)), counts)
    before = np.cumsum(counts) - counts
    return np.arange(len(owner)) + (starts - before)[owner], owner
