"""Small ground truths and detections for the tests of evaluation."""

from collections.abc import Sequence

import numpy as np

from utils.data.detections import Detections
from utils.evaluate.ground_truth import GroundTruth

UNIT = (0, 0, 10, 10)  # a box of 10x10 pixels; others are compared with it


def objects(
    images: Sequence[Sequence[tuple]],
    labels: Sequence[Sequence[int]] | None = None,
    difficult: Sequence[Sequence[int]] | None = None,
    crowd: Sequence[Sequence[int]] | None = None,
    classes: int = 1,
) -> GroundTruth:
    """Ground truth from the boxes (and labels and flags, 0 where not given) of each image."""
    boxes = np.array([box for boxes in images for box in boxes], np.float64).reshape(-1, 4)

    def flat(flags: Sequence[Sequence[int]] | None) -> np.ndarray:
        return (
            np.zeros(len(boxes), int) if flags is None else np.array([f for flag in flags for f in flag], int)
        )

    return GroundTruth(
        class_names=tuple(f"class{label}" for label in range(classes)),
        num_images=len(images),
        image_numbers=np.repeat(np.arange(len(images)), [len(boxes) for boxes in images]),
        boxes=boxes,
        labels=flat(labels),
        difficult=flat(difficult).astype(bool),
        crowd=flat(crowd).astype(bool),
        areas=(boxes[:, 2] - boxes[:, 0]) * (boxes[:, 3] - boxes[:, 1]),
    )


def found(*of_image: tuple) -> Detections:
    """The detections of one image, each (box, score) or (box, score, label)."""
    return Detections(
        boxes=np.array([d[0] for d in of_image], np.float64).reshape(-1, 4),
        scores=np.array([d[1] for d in of_image], np.float64),
        labels=np.array([d[2] if len(d) == 3 else 0 for d in of_image], np.int64),
    )


def shifted(pixels: float) -> tuple[float, float, float, float]:
    """The 10x10 box moved to the right: its overlap with UNIT is (10 - p) * 10 / (200 - (10 - p) * 10)."""
    return (pixels, 0, 10 + pixels, 10)


def random_case(rng: np.random.Generator) -> tuple[GroundTruth, list[Detections]]:
    """A small hard case: ties of scores and overlaps, crowds, difficult objects, empty images and classes,
    boxes without area or inverted, more than a hundred detections of a class on an image."""
    images, classes = int(rng.integers(1, 6)), int(rng.integers(1, 5))
    crowded = rng.random() < 0.25
    numbers = rng.integers(0, 8, images) * (rng.random(images) < 0.8)
    total = int(numbers.sum())
    boxes = _random_boxes(rng, total)
    size = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    areas = np.where(rng.random(total) < 0.5, size, rng.choice([900, 1024, 1025, 9216, 9217], total))
    truth = GroundTruth(
        class_names=tuple(f"class{label}" for label in range(classes + 1)),  # the last one stays empty
        num_images=images,
        image_numbers=np.repeat(np.arange(images), numbers),
        boxes=boxes,
        labels=rng.integers(0, classes, total),
        difficult=rng.random(total) < 0.15,
        crowd=rng.random(total) < 0.15,
        areas=areas.astype(np.float64),
    )
    detections = [_random_detections(rng, truth, image, crowded) for image in range(images)]
    return truth, detections


def _random_boxes(rng: np.random.Generator, number: int) -> np.ndarray:
    """Corners on quarter pixels, so that sums and differences are exact; one in ten without area."""
    corner = rng.integers(0, 400, (number, 2)) / 4
    size = np.where(rng.random((number, 1)) < 0.1, 0, rng.choice([20, 32, 40, 96, 100, 160.25], (number, 2)))
    return np.concatenate([corner, corner + size], 1)


def _random_detections(rng: np.random.Generator, truth: GroundTruth, image: int, crowded: bool) -> Detections:
    """Some near objects, some anywhere; few different scores."""
    here = np.flatnonzero(truth.image_numbers == image)
    near = rng.choice(here, int(rng.integers(0, 130 if crowded else 12))) if len(here) else here
    moved = truth.boxes[near] + rng.integers(-2, 3, (len(near), 4)) * rng.choice([0, 0.25, 4, 8])
    anywhere = _random_boxes(rng, int(rng.integers(0, 4)))
    anywhere = np.where(rng.random((len(anywhere), 1)) < 0.1, anywhere[:, [2, 1, 0, 3]], anywhere)
    boxes = np.concatenate([moved, anywhere])
    labels = np.concatenate(
        [truth.labels[near], rng.integers(0, len(truth.class_names), len(anywhere))]
    ).astype(np.int64)
    return Detections(boxes, rng.integers(1, 10, len(boxes)) / 10, labels)
