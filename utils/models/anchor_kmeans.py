"""How well anchors fit the boxes of a data set, and anchors that fit them better, by k-means.

Boxes count by width and height alone, and are near each other where they overlap with their corners laid
together: YOLOv2, https://arxiv.org/abs/1612.08242 (section 2). k-means++: Arthur and Vassilvitskii 2007.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from nets.heads.anchor_head import Anchors
from utils.data.index import DatasetIndex
from utils.images.headers import header_size
from utils.images.letterbox import plan_letterbox

FACTOR = 4.0  # sides of a box that are at most so many times longer or shorter than an anchor's fit it
MOST_BOXES = 20_000  # that k-means looks at; of more distinct boxes it draws so many
RESTARTS = 5
ROUNDS = 100


class Fit(NamedTuple):
    """How anchors fit boxes.

    recall    share of the boxes of which some anchor has both width and height within a factor of 4
    mean_iou  mean over the boxes of their overlap with the anchor that overlaps them most
    """

    recall: float
    mean_iou: float


def box_sizes(index: DatasetIndex, image_size: tuple[int, int], most_images: int | None = None) -> np.ndarray:
    """Widths and heights, float64 [N, 2], of the boxes that are trained on, in pixels of the network input.

    As the letterbox scales each image to `image_size` (height, width). Sizes of images that the index
    does not know are read from the files; an image that cannot be read is left out. Of more than
    `most_images` images, so many are taken, evenly over the data set.
    """
    trained = ~(index.difficult | index.crowd)
    owners = np.repeat(np.arange(len(index)), np.diff(index.box_offsets))[trained]
    images = np.unique(owners)
    if most_images is not None and len(images) > most_images:
        images = images[np.linspace(0, len(images) - 1, most_images).astype(int)]
    scales = np.full((len(index), 2), np.nan)
    for image in images.tolist():
        scales[image] = _scales(index, image, image_size)
    boxes = index.boxes[trained].astype(np.float64)
    sizes = (boxes[:, 2:] - boxes[:, :2]) * scales[owners]
    return sizes[(sizes > 0).all(axis=1)]  # nor NaN


def anchor_fit(sizes: np.ndarray, anchors: np.ndarray) -> Fit:
    """How anchors [K, 2] fit boxes of these widths and heights [N, 2]; all in pixels."""
    best_iou, best_factor = np.zeros(len(sizes)), np.full(len(sizes), np.inf)
    for anchor in anchors:
        np.maximum(best_iou, _iou(sizes, anchor), out=best_iou)
        ratio = sizes / anchor
        np.minimum(best_factor, np.maximum(ratio, 1 / ratio).max(axis=1), out=best_factor)
    return Fit(float((best_factor <= FACTOR).mean()), float(best_iou.mean()))


def kmeans_anchors(sizes: np.ndarray, number: int, seed: int = 0) -> np.ndarray:
    """`number` anchors [number, 2] for boxes of these widths and heights [N, 2], smallest area first.

    The best of several k-means by mean overlap. The same for the same boxes in any order. ValueError if there
    are fewer distinct boxes than anchors.
    """
    rng = np.random.default_rng(seed)
    # Hundredths of a pixel: boxes that differ by less would have no distance between them.
    distinct, counts = np.unique(np.maximum(sizes.round(2), 0.01), axis=0, return_counts=True)
    if len(distinct) < number:
        raise ValueError(
            f"the data has boxes of {len(distinct)} different sizes, too few for {number} anchors: "
            "keep the model's own anchors"
        )
    if len(distinct) > MOST_BOXES:
        drawn = rng.choice(len(distinct), MOST_BOXES, p=counts / counts.sum())
        chosen, counts = np.unique(drawn, return_counts=True)
        distinct = distinct[chosen]
    results = [_kmeans(distinct, counts, number, rng) for _ in range(RESTARTS)]
    best = max(results, key=lambda result: result[0])[1]
    return best[np.argsort(best.prod(axis=1), kind="stable")]


def to_levels(anchors: np.ndarray, levels: int) -> Anchors:
    """Anchors [K, 2], smallest first, as many on each level; rounded to whole pixels, at least one."""
    sizes = [(float(w), float(h)) for w, h in np.maximum(1, np.rint(anchors))]
    each = len(sizes) // levels
    return tuple(tuple(sizes[level * each : (level + 1) * each]) for level in range(levels))


def to_array(anchors: Anchors) -> np.ndarray:
    """Anchors of all levels as one array [K, 2]."""
    return np.array([size for level in anchors for size in level], np.float64)


def _scales(index: DatasetIndex, image: int, image_size: tuple[int, int]) -> tuple[float, float]:
    """Network pixels per pixel of the image, along x and y; NaN if its size cannot be known."""
    height, width = index.sizes[image].tolist()
    if min(height, width) <= 0:
        try:
            height, width = header_size(index.path(image))
        except ValueError:
            return (np.nan, np.nan)
    plan = plan_letterbox((height, width), image_size)
    return plan.scale_x, plan.scale_y


def _iou(sizes: np.ndarray, others: np.ndarray) -> np.ndarray:
    """Overlap of widths and heights [..., 2] with others [..., 2], corners laid together. [...]"""
    common = np.minimum(sizes, others).prod(axis=-1)
    return common / (sizes.prod(axis=-1) + others.prod(axis=-1) - common)


def _kmeans(
    sizes: np.ndarray, counts: np.ndarray, number: int, rng: np.random.Generator
) -> tuple[float, np.ndarray]:
    """One k-means on distinct boxes, each there so many times: the best round's mean overlap and anchors."""
    anchors = _spread_out(sizes, counts, number, rng)
    best = (-1.0, anchors)
    owner = np.full(len(sizes), -1)
    orders = [np.argsort(side, kind="stable") for side in sizes.T]
    for _ in range(ROUNDS):
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


def _spread_out(sizes: np.ndarray, counts: np.ndarray, number: int, rng: np.random.Generator) -> np.ndarray:
    """k-means++: boxes [number, 2] far from each other, drawn by the square of 1 - overlap with the last."""
    chosen = [int(rng.choice(len(sizes), p=counts / counts.sum()))]
    distance = np.ones(len(sizes))
    while len(chosen) < number:
        distance = np.minimum(distance, 1 - _iou(sizes, sizes[chosen[-1]]))
        weight = counts * distance**2
        chosen.append(int(rng.choice(len(sizes), p=weight / weight.sum())))
    return sizes[chosen]


def _centres(
    sizes: np.ndarray, counts: np.ndarray, owner: np.ndarray, number: int, orders: Sequence[np.ndarray]
) -> np.ndarray:
    """Median width and height of each cluster [number, 2]; for an empty one, the box that fits worst.

    `orders` sort the boxes by width and by height. On COCO, medians overlap boxes better than means: .621
    against .609 on average.
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
