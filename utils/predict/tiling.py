"""Large images in overlapping tiles: as fine as the network can see, and whole boxes across the seams.

The image is looked at as a whole, for what is large, and in tiles of the network's size, for what is small
(Akyon et al., "Slicing Aided Hyper Inference", 2022). An object that a seam cuts gives boxes that end there.
They are not left to NMS, for which halves of an object are no copies of it: see `merge_tiles`.
"""

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import torch

from utils.data.detections import Detections
from utils.inference.nms import suppress

AT_EDGE = 0.02  # share of a tile's side: a box that ends so near its edge is taken for cut
COVERED = 0.7  # share of a piece within a box that is whole, from which it is a piece of that object
# Overlap of two pieces along the seam between them, from which they are one object: of the shorter one, and
# of both together. The pieces of what lies aslant differ more than those of a box.
ALONG, ALONG_BOTH = 0.6, 0.25
LARGE = 0.5  # share of a tile's side, from which a box may be a part of something larger than the tile


class Tile(NamedTuple):
    """A part of an image, in whole pixels."""

    left: int
    top: int
    right: int
    bottom: int


def plan_tiles(size: tuple[int, int], tile: tuple[int, int], overlap: float) -> list[Tile]:
    """Tiles (height, width) that cover an image of `size`, spread evenly, and share at least `overlap`.

    overlap  share of a tile's side, below 1. One tile, the image, if it is not larger than a tile.
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
    """Boxes of all parts of an image, in its pixels.

    tiles  [N, 4] the tile of each, xyxy
    cut    bool [N, 4], whether it ends at the left, top, right, bottom edge of its tile, within the image
    whole  bool [N], whether it was seen on the whole image
    """

    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    tiles: np.ndarray
    cut: np.ndarray
    whole: np.ndarray

    @property
    def piece(self) -> np.ndarray:
        """Which are cut anywhere, bool [N]."""
        return self.cut.max(axis=1, initial=False)

    def kept(self, keep: np.ndarray) -> "_Boxes":
        return _Boxes(*(values[keep] for values in self))


def merge_tiles(
    whole: Detections,
    tiles: Sequence[Tile],
    found: Sequence[Detections],
    size: tuple[int, int],
    nms_iou: float,
    agnostic: bool = False,
) -> Detections:
    """The detections of an image of `size` (height, width), out of those on it and on each of its tiles.

    Pieces that a seam cut go where another tile has more of the object, not cut. Those left that are of one
    object are joined. What is then still a piece goes where any other box covers it, and large boxes of tiles
    where one of the whole image, larger than a tile, does. Of what is left, copies go by NMS.
    """
    boxes = _gathered(whole, tiles, found, size)
    boxes = boxes.kept(~(boxes.piece & _covered(boxes, ~boxes.piece & ~boxes.whole, agnostic)))
    boxes = _joined(boxes, agnostic)
    boxes = boxes.kept(~(boxes.piece & _covered(boxes, ~boxes.piece, agnostic)))
    tile = np.array([tiles[0].right - tiles[0].left, tiles[0].bottom - tiles[0].top])
    share = ((boxes.boxes[:, 2:] - boxes.boxes[:, :2]) / tile).max(axis=1, initial=0)
    part, larger = ~boxes.whole & (share > LARGE), boxes.whole & (share > 1)
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


def _gathered(
    whole: Detections, tiles: Sequence[Tile], found: Sequence[Detections], size: tuple[int, int]
) -> _Boxes:
    height, width = size
    places = [*tiles, Tile(0, 0, width, height)]
    parts = [*found, whole]  # tiles first: they are finer, where scores are the same
    of_tile = np.repeat(np.array(places, np.float32), [len(part) for part in parts], axis=0)
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
    """Which boxes lie, by most of their area, in another one of those in `by`: bool [N]."""
    return (_covers(boxes) & _alike(boxes, agnostic) & by).any(axis=1)


def _covers(boxes: _Boxes) -> np.ndarray:
    """Whether box i lies, by most of its area, in the other box j: bool [N, N]."""
    low = np.maximum(boxes.boxes[:, None, :2], boxes.boxes[:, :2])
    high = np.minimum(boxes.boxes[:, None, 2:], boxes.boxes[:, 2:])
    shared = np.maximum(high - low, 0).prod(axis=2)
    area = (boxes.boxes[:, 2:] - boxes.boxes[:, :2]).prod(axis=1)
    covers: np.ndarray = (shared >= COVERED * area[:, None]) & ~np.eye(len(area), dtype=bool)
    return covers


def _alike(boxes: _Boxes, agnostic: bool) -> np.ndarray:
    """Whether two boxes may be of one object by their classes: bool [N, N]."""
    same: np.ndarray = boxes.labels[:, None] == boxes.labels
    return np.ones_like(same) if agnostic else same


def _joined(boxes: _Boxes, agnostic: bool) -> _Boxes:
    """The same with pieces that meet across seams as one box each, which has the best score and its class."""
    group = np.arange(len(boxes.boxes))
    for first, second in _meeting(boxes, agnostic):
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


def _meeting(boxes: _Boxes, agnostic: bool) -> list[list[int]]:
    """Pairs of pieces of one object, in two tiles: one lies in the other, or one seam cut both.

    Then one ends at the seam, the other begins at it, and they lie beside each other.
    """
    pairs = _covers(boxes)
    for axis in (0, 1):
        low, high = boxes.boxes[:, axis], boxes.boxes[:, axis + 2]
        ends, begins = boxes.cut[:, axis + 2], boxes.cut[:, axis]
        across = ends[:, None] & begins & (high[:, None] >= low)
        across &= boxes.tiles[:, None, axis] < boxes.tiles[:, axis]
        pairs |= across & _beside(boxes.boxes[:, [1 - axis, 3 - axis]])
    pairs &= boxes.piece[:, None] & boxes.piece & (boxes.tiles[:, None] != boxes.tiles).any(axis=2)
    return np.argwhere(pairs & _alike(boxes, agnostic)).tolist()


def _beside(extents: np.ndarray) -> np.ndarray:
    """Which of the extents along a seam, [N, 2], are of pieces of one object, bool [N, N]."""
    low, high = extents.T
    shared = np.minimum(high[:, None], high) - np.maximum(low[:, None], low)
    shorter = np.minimum((high - low)[:, None], high - low)
    joint = np.maximum(high[:, None], high) - np.minimum(low[:, None], low)
    same: np.ndarray = (shared >= ALONG * shorter) & (shared >= ALONG_BOTH * joint)
    return same
