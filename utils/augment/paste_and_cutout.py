"""What is laid over finished samples: objects of other samples, and rectangles that hide a part.

Copy-paste, here of whole boxes: https://arxiv.org/abs/2012.07177. Cut-out: https://arxiv.org/abs/1708.04552.
"""

import numpy as np

from utils.augment.settings import Augmentation
from utils.data.boxes import box_area, intersection
from utils.data.targets import Objects

COPIES = 3  # at most so many objects are pasted into a sample
ATTEMPTS = 8  # to find a free place for one
MOST_HIDDEN = 0.3  # of the area of any object that is there already
CUT_SIDES = (0.1, 0.4)  # shortest and longest side of what is cut out, as fractions of the input's


def lay_over(
    images: np.ndarray,
    objects: Objects,
    settings: Augmentation,
    generators: list[np.random.Generator],
    pad_value: int,
) -> Objects:
    """Paste objects and cut out, in the images uint8 [B, H, W, 3], which are changed; the objects then.

    generators  one for each sample
    """
    for sample, rng in enumerate(generators):
        if rng.random() < settings.copy_paste:
            objects = copy_objects(images, objects, sample, rng)
        if rng.random() < settings.cut_out:
            objects = cut_out(images, objects, sample, settings.min_visibility, pad_value, rng)
    return objects


def copy_objects(images: np.ndarray, objects: Objects, sample: int, rng: np.random.Generator) -> Objects:
    """Paste up to three objects of the other samples, as large as they are there, into free places of one."""
    donors = np.flatnonzero(objects.sample != sample)
    if len(donors) == 0:
        return objects
    added: list[tuple[np.ndarray, int]] = []
    for donor in rng.choice(donors, rng.integers(1, COPIES + 1)).tolist():
        x1, y1, x2, y2 = _whole_pixels(objects.boxes[donor])
        there = objects.boxes[objects.sample == sample]
        there = np.concatenate([there, *(box[None] for box, _ in added)])
        place = _free_place(there, (x2 - x1, y2 - y1), images.shape[1:3], rng)
        if place is not None:
            left, top = place
            patch = images[objects.sample[donor], y1:y2, x1:x2].copy()
            images[sample, top : top + y2 - y1, left : left + x2 - x1] = patch
            shift = np.array([left - x1, top - y1] * 2)
            added.append((objects.boxes[donor] + shift, int(objects.labels[donor])))
    return _with(objects, sample, added)


def cut_out(
    images: np.ndarray,
    objects: Objects,
    sample: int,
    min_visibility: float,
    pad_value: int,
    rng: np.random.Generator,
) -> Objects:
    """Cover a rectangle of a sample; objects of which too little is left to be seen are no longer there."""
    height, width = images.shape[1:3]
    h, w = (max(1, round(side * rng.uniform(*CUT_SIDES))) for side in (height, width))
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    images[sample, top : top + h, left : left + w] = pad_value
    hidden = hidden_shares(objects.boxes, np.array([left, top, left + w, top + h]))
    gone = (objects.sample == sample) & ((hidden > 1 - min_visibility) | (hidden == 1))
    return objects.of(~gone)


def hidden_shares(boxes: np.ndarray, cover: np.ndarray) -> np.ndarray:
    """Which share of the area of each of the boxes [N, 4] lies under `cover` [4]."""
    return intersection(boxes, cover[None]) / box_area(boxes)


def _free_place(
    boxes: np.ndarray, patch: tuple[int, int], size: tuple[int, ...], rng: np.random.Generator
) -> tuple[int, int] | None:
    """Left and top of a place for a patch (width, height) that hides none of the boxes too much."""
    for _ in range(ATTEMPTS):
        left = int(rng.integers(max(1, size[1] - patch[0] + 1)))
        top = int(rng.integers(max(1, size[0] - patch[1] + 1)))
        cover = np.array([left, top, left + patch[0], top + patch[1]])
        if (hidden_shares(boxes, cover) <= MOST_HIDDEN).all():
            return left, top
    return None


def _whole_pixels(box: np.ndarray) -> tuple[int, int, int, int]:
    x1, y1 = np.floor(box[:2]).astype(int).tolist()
    x2, y2 = np.ceil(box[2:]).astype(int).tolist()
    return x1, y1, x2, y2


def _with(objects: Objects, sample: int, added: list[tuple[np.ndarray, int]]) -> Objects:
    if not added:
        return objects
    together = Objects(
        np.concatenate([objects.sample, np.full(len(added), sample)]),
        np.concatenate([objects.boxes, np.stack([box for box, _ in added])]),
        np.concatenate([objects.labels, [label for _, label in added]]),
    )
    return together.of(np.argsort(together.sample, kind="stable"))
