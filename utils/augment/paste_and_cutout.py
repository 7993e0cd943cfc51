"""Copy-paste of objects between samples, and cutout of rectangles.

Copy-paste (here of whole boxes): https://arxiv.org/abs/2012.07177. Cutout: https://arxiv.org/abs/1708.04552.
"""

import numpy as np

from utils.augment.settings import Augmentation
from utils.data.boxes import box_area, intersection
from utils.data.targets import Objects
from utils.data.types import Boxes, Size

MAX_PASTES = 3  # maximum number of objects pasted into a sample
PLACEMENT_ATTEMPTS = 8  # number of tries to find a free location for an object
MAX_COVERED = 0.3  # fraction of an existing object's area that a pasted one may cover
CUTOUT_SIDES = (0.1, 0.4)  # range of the rectangle's height and width, as fractions of the input size


def paste_and_cut_out(
    images: np.ndarray,
    objects: Objects,
    settings: Augmentation,
    generators: list[np.random.Generator],
    pad_value: int,
) -> Objects:
    """Apply copy-paste and cutout to images uint8 [B, H, W, 3] in place; return the resulting objects.

    generators  random generators, one per sample
    """
    for sample, rng in enumerate(generators):
        if rng.random() < settings.copy_paste:
            objects = copy_objects(images, objects, sample, rng)
        if rng.random() < settings.cut_out:
            objects = cut_out(images, objects, sample, settings.min_visibility, pad_value, rng)
    return objects


def copy_objects(images: np.ndarray, objects: Objects, sample: int, rng: np.random.Generator) -> Objects:
    """Paste up to three objects from other samples, unscaled, into free locations of `sample`."""
    donors = np.flatnonzero(objects.sample != sample)
    if len(donors) == 0:
        return objects
    added: list[tuple[Boxes, int]] = []
    for donor in rng.choice(donors, rng.integers(1, MAX_PASTES + 1)).tolist():
        x1, y1, x2, y2 = _whole_pixels(objects.boxes[donor])
        existing = objects.boxes[objects.sample == sample]
        existing = np.concatenate([existing, *(box[None] for box, _ in added)])
        corner = _free_location(existing, (y2 - y1, x2 - x1), (images.shape[1], images.shape[2]), rng)
        if corner is not None:
            left, top = corner
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
    """Cover a random rectangle of a sample, and drop objects that are no longer visible enough."""
    height, width = images.shape[1:3]
    h, w = (max(1, round(side * rng.uniform(*CUTOUT_SIDES))) for side in (height, width))
    left, top = int(rng.integers(width - w + 1)), int(rng.integers(height - h + 1))
    images[sample, top : top + h, left : left + w] = pad_value
    covered = covered_fractions(objects.boxes, np.array([left, top, left + w, top + h]))
    gone = (objects.sample == sample) & ((covered > 1 - min_visibility) | (covered == 1))
    return objects.of(~gone)


def covered_fractions(boxes: Boxes, cover: np.ndarray) -> np.ndarray:
    """Return the fraction of each box's area that is covered by the box `cover` [4]."""
    return intersection(boxes, cover[None]) / box_area(boxes)


def _free_location(
    existing: Boxes, patch: Size, size: Size, rng: np.random.Generator
) -> tuple[int, int] | None:
    """Return left and top of a random location where a patch hides little of any box, or None."""
    for _ in range(PLACEMENT_ATTEMPTS):
        left = int(rng.integers(max(1, size[1] - patch[1] + 1)))
        top = int(rng.integers(max(1, size[0] - patch[0] + 1)))
        cover = np.array([left, top, left + patch[1], top + patch[0]])
        if (covered_fractions(existing, cover) <= MAX_COVERED).all():
            return left, top
    return None


def _whole_pixels(box: np.ndarray) -> tuple[int, int, int, int]:
    x1, y1 = np.floor(box[:2]).astype(int).tolist()
    x2, y2 = np.ceil(box[2:]).astype(int).tolist()
    return x1, y1, x2, y2


def _with(objects: Objects, sample: int, added: list[tuple[Boxes, int]]) -> Objects:
    if not added:
        return objects
    together = Objects(
        np.concatenate([objects.sample, np.full(len(added), sample)]),
        np.concatenate([objects.boxes, np.stack([box for box, _ in added])]),
        np.concatenate([objects.labels, [label for _, label in added]]),
    )
    return together.of(np.argsort(together.sample, kind="stable"))
