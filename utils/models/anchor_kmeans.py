"""Measures how well anchors fit the boxes of a data set, and finds better anchors by k-means.

Only widths and heights count: the distance is 1 - IoU of two boxes with the same corner, as in YOLOv2,
https://arxiv.org/abs/1612.08242 (section 2). k-means++: Arthur and Vassilvitskii 2007.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nets.heads.anchor_head import Anchors
from utils.data.index import DatasetIndex
from utils.data.types import Size
from utils.images.headers import header_size
from utils.images.letterbox import plan_letterbox
from utils.models.choose import split_by_level

FACTOR = 4.0  # an anchor fits a box if width and height differ by at most this factor
MAX_BOXES = 20_000  # maximum number of distinct boxes for k-means; more are sampled
RESTARTS = 5
MAX_ITERATIONS = 100

BoxSides = np.ndarray  # float64 [N, 2], widths and heights in pixels of the network input


class AnchorFit(NamedTuple):
    """How well anchors fit boxes.

    recall    fraction of boxes with an anchor whose width and height are both within a factor of 4
    mean_iou  mean IoU between each box and its nearest anchor
    """

    recall: float
    mean_iou: float


def box_sizes(index: DatasetIndex, image_size: Size, max_images: int | None = None) -> BoxSides:
    """Return widths and heights of the boxes used for training, letterboxed to `image_size`.

    Image sizes missing in the index are read from the files; unreadable images are skipped.
    At most `max_images` images are used, evenly spread over the data set.
    """
    trained = ~(index.difficult | index.crowd)
    owners = np.repeat(np.arange(len(index)), np.diff(index.box_offsets))[trained]
    image_numbers = np.unique(owners)
    if max_images is not None and len(image_numbers) > max_images:
        image_numbers = image_numbers[np.linspace(0, len(image_numbers) - 1, max_images).astype(int)]
    scales = np.full((len(index), 2), np.nan)
    for image_number in image_numbers.tolist():
        scales[image_number] = _scales(index, image_number, image_size)
    boxes = index.boxes[trained].astype(np.float64)
    sizes = (boxes[:, 2:] - boxes[:, :2]) * scales[owners]
    return sizes[(sizes > 0).all(axis=1)]  # false for NaN too


def anchor_fit(sizes: BoxSides, anchors: BoxSides) -> AnchorFit:
    """Return how well anchors [K, 2] fit boxes [N, 2]."""
    best_iou, best_factor = np.zeros(len(sizes)), np.full(len(sizes), np.inf)
    for anchor in anchors:
        np.maximum(best_iou, _iou(sizes, anchor), out=best_iou)
        ratio = sizes / anchor
        np.minimum(best_factor, np.maximum(ratio, 1 / ratio).max(axis=1), out=best_factor)
    return AnchorFit(float((best_factor <= FACTOR).mean()), float(best_iou.mean()))


def kmeans_anchors(sizes: BoxSides, number: int, seed: int = 0) -> BoxSides:
    """Find `number` anchors [number, 2] for boxes [N, 2], smallest area first.

    Returns the best of several k-means runs by mean IoU; the order of the boxes does not matter.
    ValueError if there are fewer distinct boxes than anchors.
    """
    rng = np.random.default_rng(seed)
    # Rounded to hundredths of a pixel: the distance between boxes that differ by less would be 0.
    distinct, counts = np.unique(np.maximum(sizes.round(2), 0.01), axis=0, return_counts=True)
    if len(distinct) < number:
        raise ValueError(
            f"the data has boxes of {len(distinct)} different sizes, too few for {number} anchors: "
            "keep the model's own anchors"
        )
    if len(distinct) > MAX_BOXES:
        sampled = rng.choice(len(distinct), MAX_BOXES, p=counts / counts.sum())
        chosen, counts = np.unique(sampled, return_counts=True)
        distinct = distinct[chosen]
    results = [_kmeans(distinct, counts, number, rng) for _ in range(RESTARTS)]
    best = max(results, key=lambda result: result[0])[1]
    return best[np.argsort(best.prod(axis=1), kind="stable")]


def to_levels(anchors: BoxSides, levels: int) -> Anchors:
    """Divide anchors [K, 2] evenly among levels, rounded to whole pixels, at least 1."""
    return split_by_level([(float(w), float(h)) for w, h in np.maximum(1, np.rint(anchors))], levels)


def to_array(anchors: Anchors) -> BoxSides:
    """Return the anchors of all levels as one array [K, 2]."""
    return np.array([size for level in anchors for size in level], np.float64)


def _scales(index: DatasetIndex, image_number: int, image_size: Size) -> tuple[float, float]:
    """Return network-input pixels per image pixel, along x and y; NaN if the image size is unknown."""
    height, width = index.sizes[image_number].tolist()
    if min(height, width) <= 0:
        try:
            height, width = header_size(index.path(image_number))
        except ValueError:
            return (np.nan, np.nan)
    plan = plan_letterbox((height, width), image_size)
    return plan.scale_x, plan.scale_y


def _iou(sizes: BoxSides, others: BoxSides) -> np.ndarray:
    """Return the IoU [...] of boxes [..., 2] and others [..., 2], placed at the same corner."""
    common = np.minimum(sizes, others).prod(axis=-1)
    return common / (sizes.prod(axis=-1) + others.prod(axis=-1) - common)


def _kmeans(
    sizes: BoxSides, counts: np.ndarray, number: int, rng: np.random.Generator
) -> tuple[float, BoxSides]:
    """Run k-means on distinct boxes with counts; return mean IoU and anchors of the best iteration."""
    anchors = _initial_anchors(sizes, counts, number, rng)
    best = (-1.0, anchors)
    owner = np.full(len(sizes), -1)
    orders = [np.argsort(side, kind="stable") for side in sizes.T]
    for _ in range(MAX_ITERATIONS):
        overlaps = np.stack([_iou(sizes, anchor) for anchor in anchors])  # [K, N]
        nearest = overlaps.argmax(axis=0)
        mean = float(overlaps.max(axis=0) @ counts) / counts.sum()
        if mean > best[0] and len(np.unique(nearest)) == number:
            best = (mean, anchors)
        if (nearest == owner).all():
            break
        owner = nearest
        anchors = _centres(sizes, counts, owner, number, orders)
    return best


def _initial_anchors(sizes: BoxSides, counts: np.ndarray, number: int, rng: np.random.Generator) -> BoxSides:
    """Sample boxes [number, 2] by k-means++: far from the boxes sampled before, by squared distance."""
    chosen = [int(rng.choice(len(sizes), p=counts / counts.sum()))]
    distance = np.ones(len(sizes))
    while len(chosen) < number:
        distance = np.minimum(distance, 1 - _iou(sizes, sizes[chosen[-1]]))
        weight = counts * distance**2
        chosen.append(int(rng.choice(len(sizes), p=weight / weight.sum())))
    return sizes[chosen]


def _centres(
    sizes: BoxSides, counts: np.ndarray, owner: np.ndarray, number: int, orders: Sequence[np.ndarray]
) -> BoxSides:
    """Return the median width and height of each cluster, [number, 2]. Empty ones get worst-fitting boxes.

    orders  indices that sort the boxes by width, and by height

    On COCO, medians reach a mean IoU of .621, means .609.
    """
    mass = np.bincount(owner, counts, number)
    ends = np.cumsum(np.bincount(owner, minlength=number))
    centres = np.empty((number, 2))
    for axis, order in enumerate(orders):
        order = order[np.argsort(owner[order], kind="stable")]  # cluster after cluster, each sorted
        middle = np.searchsorted(np.cumsum(counts[order]), np.cumsum(mass) - mass / 2)
        centres[:, axis] = sizes[order[np.minimum(middle, ends - 1)], axis]
    empty = np.flatnonzero(mass == 0)
    if len(empty):
        worst = np.argsort(_iou(sizes, centres[owner]), kind="stable")
        centres[empty] = sizes[worst[: len(empty)]]
    return centres
