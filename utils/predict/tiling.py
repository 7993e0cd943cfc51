"""Plans overlapping tiles of a large image, and merges the detections on them.

Large objects are detected on the whole image, small ones on tiles of the network's input size (Akyon et al.,
"Slicing Aided Hyper Inference", 2022). An object cut by the edge of a tile gives boxes that end there. NMS
does not suppress them, as two halves of an object hardly overlap: see `merge_tiles`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from utils.data.boxes import box_area, intersection
from utils.data.detections import Detections
from utils.data.types import Boxes, Labels, Size
from utils.inference.nms import suppress

AT_EDGE = 0.02  # fraction of a tile's side: a box that ends this close to the tile's edge counts as cut
COVERED = 0.7  # a box covers another if it contains at least this fraction of the other's area
# Two pieces on both sides of a seam are one object if their overlap along it is at least these fractions of
# the shorter piece, and of their joint extent (the pieces of a slanting object are shifted).
ALONG_SHORTER, ALONG_BOTH = 0.6, 0.25
LARGE_SHARE = 0.5  # fraction of a tile's side: a larger box may be part of an object larger than the tile


class Tile(NamedTuple):
    """A part of an image, in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


def plan_tiles(size: Size, tile: Size, overlap: float) -> list[Tile]:
    """Return evenly spread tiles that cover an image of `size`; one if the image is no larger than a tile.

    tile     height and width of a tile
    overlap  minimum overlap of neighbouring tiles, as a fraction of the side, below 1
    """
    tops, lefts = (_starts(*sides, overlap) for sides in zip(size, tile, strict=True))
    return [
        Tile(left, top, min(left + tile[1], size[1]), min(top + tile[0], size[0]))
        for top in tops
        for left in lefts
    ]


def _starts(length: int, side: int, overlap: float) -> list[int]:
    if length <= side:
        return [0]
    step = max(1, math.floor(side * (1 - overlap)))
    number = math.ceil((length - side) / step) + 1
    return np.linspace(0, length - side, number).round().astype(int).tolist()


class _Boxes(NamedTuple):
    """Detections on the whole image and on the tiles, in pixels of the image.

    tiles  [N, 4] xyxy, tile of each box
    cut    bool [N, 4], whether the tile's left, top, right, bottom edge, within the image, cuts the box
    whole  bool [N], whether the box was detected on the whole image
    """

    boxes: Boxes
    scores: np.ndarray
    labels: Labels
    tiles: Boxes
    cut: np.ndarray
    whole: np.ndarray

    @property
    def piece(self) -> np.ndarray:
        """Whether each box is cut at any edge, bool [N]."""
        return self.cut.max(axis=1, initial=False)

    def kept(self, keep: np.ndarray) -> "_Boxes":
        return _Boxes(*(values[keep] for values in self))


def merge_tiles(
    whole: Detections,
    tiles: Sequence[Tile],
    found: Sequence[Detections],
    size: Size,
    nms_iou: float,
    agnostic: bool = False,
) -> Detections:
    """Return the detections on an image of `size`, merged from the whole image and each tile.

    1. A cut box is dropped if an uncut box of another tile covers it.
    2. The remaining pieces of one object are joined.
    3. A box that is still cut is dropped if any uncut box covers it. A large box of a tile is dropped if a
       box of the whole image that is larger than a tile covers it.
    4. NMS suppresses duplicates among the rest.
    """
    boxes = _gathered(whole, tiles, found, size)
    boxes = boxes.kept(~(boxes.piece & _covered(boxes, ~boxes.piece & ~boxes.whole, agnostic)))
    boxes = _joined(boxes, agnostic)
    boxes = boxes.kept(~(boxes.piece & _covered(boxes, ~boxes.piece, agnostic)))
    tile = np.array([tiles[0].right - tiles[0].left, tiles[0].bottom - tiles[0].top])
    share = ((boxes.boxes[:, 2:] - boxes.boxes[:, :2]) / tile).max(axis=1, initial=0)
    part, larger = ~boxes.whole & (share > LARGE_SHARE), boxes.whole & (share > 1)
    boxes = boxes.kept(~(part & _covered(boxes, larger, agnostic)))
    corners, scores, labels = map(torch.from_numpy, (boxes.boxes, boxes.scores, boxes.labels))
    keep = suppress(corners, scores, labels, nms_iou, agnostic).numpy()
    best = max([whole, *found], key=lambda detections: detections.best_score)
    return replace(
        best,
        boxes=boxes.boxes[keep],
        scores=boxes.scores[keep],
        labels=boxes.labels[keep],
        candidates=sum(detections.candidates for detections in (whole, *found)),
    )


def _gathered(whole: Detections, tiles: Sequence[Tile], found: Sequence[Detections], size: Size) -> _Boxes:
    height, width = size
    parts = [*found, whole]  # tiles first: at equal scores, their boxes, which are finer, win
    of_tile = np.repeat(
        np.array([*tiles, Tile(0, 0, width, height)], np.float32), [len(part) for part in parts], axis=0
    )
    boxes = np.concatenate([part.boxes for part in parts]) + of_tile[:, [0, 1, 0, 1]]
    near = np.maximum(AT_EDGE * (of_tile[:, 2:] - of_tile[:, :2]), 2)
    at_edge = np.abs(boxes - of_tile) <= np.tile(near, 2)
    within = of_tile != np.array([0, 0, width, height])
    return _Boxes(
        boxes.astype(np.float32),
        np.concatenate([part.scores for part in parts]),
        np.concatenate([part.labels for part in parts]),
        of_tile,
        at_edge & within,
        np.arange(len(boxes)) >= len(boxes) - len(whole),
    )


def _covered(boxes: _Boxes, by: np.ndarray, agnostic: bool) -> np.ndarray:
    """Return which boxes are covered by another box marked in `by`, bool [N]."""
    return (_covers(boxes) & _same_class(boxes, agnostic) & by).any(axis=1)


def _covers(boxes: _Boxes) -> np.ndarray:
    """Return whether box i is covered by another box j, bool [N, N]."""
    corners = boxes.boxes
    shared = intersection(corners[:, None], corners)
    covers: np.ndarray = (shared >= COVERED * box_area(corners)[:, None]) & ~np.eye(len(corners), dtype=bool)
    return covers


def _same_class(boxes: _Boxes, agnostic: bool) -> np.ndarray:
    """Return whether two boxes have the same class, bool [N, N]; all True if `agnostic`."""
    same: np.ndarray = boxes.labels[:, None] == boxes.labels
    return np.ones_like(same) if agnostic else same


def _joined(boxes: _Boxes, agnostic: bool) -> _Boxes:
    """Join the pieces of each object across seams into one box, with score and class of the best piece."""
    group = np.arange(len(boxes.boxes))
    for first, second in _pieces_of_one(boxes, agnostic):
        group[group == group[second]] = group[first]
    firsts = []
    joined, cut = boxes.boxes.copy(), boxes.cut.copy()
    for number in np.unique(group):
        members = np.flatnonzero(group == number)
        best = members[boxes.scores[members].argmax()]
        joined[best, :2] = boxes.boxes[members, :2].min(axis=0)
        joined[best, 2:] = boxes.boxes[members, 2:].max(axis=0)
        cut[best] &= len(members) == 1
        firsts.append(best)
    return boxes._replace(boxes=joined, cut=cut).kept(np.sort(np.array(firsts, int)))


def _pieces_of_one(boxes: _Boxes, agnostic: bool) -> list[list[int]]:
    """Return pairs of pieces of one object in two tiles: one covers the other, or they meet at a seam.

    Pieces meet at a seam if one ends there, the other begins there, and they overlap along the seam.
    """
    pairs = _covers(boxes)
    for axis in (0, 1):
        low, high = boxes.boxes[:, axis], boxes.boxes[:, axis + 2]
        ends, begins = boxes.cut[:, axis + 2], boxes.cut[:, axis]
        across = ends[:, None] & begins & (high[:, None] >= low)
        across &= boxes.tiles[:, None, axis] < boxes.tiles[:, axis]
        pairs |= across & _beside(boxes.boxes[:, [1 - axis, 3 - axis]])
    pairs &= boxes.piece[:, None] & boxes.piece & (boxes.tiles[:, None] != boxes.tiles).any(axis=2)
    return np.argwhere(pairs & _same_class(boxes, agnostic)).tolist()


def _beside(extents: np.ndarray) -> np.ndarray:
    """Return which extents [N, 2] along a seam overlap like pieces of one object, bool [N, N]."""
    low, high = extents.T
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    shorter = np.minimum((high - low)[:, None], high - low)
    joint = np.maximum(high[:, None], high) - np.minimum(low[:, None], low)
    same: np.ndarray = (shared >= ALONG_SHORTER * shorter) & (shared >= ALONG_BOTH * joint)
    return same
