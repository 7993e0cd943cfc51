"""The input of evaluation: all ground truth and all detections of a data set as flat float64 arrays.

Flat arrays instead of one list per image, because every later step then handles the whole data set in a few
array operations. float64, because an IoU exactly at a threshold must not be rounded.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np

from utils.data.detections import Detections
from utils.data.index import DatasetIndex, join_arrays
from utils.data.types import Boxes, Labels


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The ground-truth objects of a data set.

    class_names    class names, by label
    num_images     number of images, including images without objects
    image_numbers  int64 [M], image index of each object
    boxes          float64 [M, 4], xyxy in pixels of the original image
    labels         int64 [M], 0-based
    difficult      bool [M], ignored: neither found nor missed
    crowd          bool [M], a region of many objects: detections inside it are ignored
    areas          float64 [M], square pixels, for the COCO metrics by size
    """

    class_names: tuple[str, ...]
    num_images: int
    image_numbers: np.ndarray
    boxes: Boxes
    labels: Labels
    difficult: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray

    @staticmethod
    def from_index(index: DatasetIndex) -> "GroundTruth":
        """Return the ground truth of a data set index."""
        return GroundTruth(
            class_names=index.class_names,
            num_images=len(index),
            image_numbers=np.repeat(np.arange(len(index)), np.diff(index.box_offsets)),
            boxes=index.boxes.astype(np.float64),
            labels=index.labels.astype(np.int64),
            difficult=index.difficult,
            crowd=index.crowd,
            areas=index.areas.astype(np.float64),
        )

    @cached_property
    def uncounted(self) -> np.ndarray:
        """Objects that are ignored, bool [M]: difficult ones and crowds."""
        return self.difficult | self.crowd


class FlatDetections(NamedTuple):
    """All detections of a data set in any order, as in result files.

    image_numbers  int64 [D], image index of each detection
    boxes          float64 [D, 4], xyxy in pixels of the original image
    scores         float64 [D]
    labels         int64 [D], 0-based
    """

    image_numbers: np.ndarray
    boxes: Boxes
    scores: np.ndarray
    labels: Labels


class RankedDetections(NamedTuple):
    """All detections sorted for evaluation: by class, then by descending score.

    Equal scores are sorted by image, and keep their order within an image. All results per detection are in
    this order, so that a class is a slice, and cumulative counts need no sorting.

    image_numbers  int64 [D], image index
    boxes          float64 [D, 4], xyxy in pixels of the original image
    scores         float64 [D], descending within a class
    labels         int64 [D], ascending
    rank           int64 [D], rank by score among detections of the same class and image, from 0
    class_starts   int64 [C + 1], index of the first detection of each class
    """

    image_numbers: np.ndarray
    boxes: Boxes
    scores: np.ndarray
    labels: Labels
    rank: np.ndarray
    class_starts: np.ndarray

    def keep(self, mask: np.ndarray) -> "RankedDetections":
        """Return the detections where `mask`, bool [D], is set; `rank` is not recomputed."""
        starts = np.append(0, np.cumsum(mask))[self.class_starts]
        return RankedDetections(
            self.image_numbers[mask],
            self.boxes[mask],
            self.scores[mask],
            self.labels[mask],
            self.rank[mask],
            starts,
        )


def flatten_detections(detections: Sequence[Detections]) -> FlatDetections:
    """Concatenate the detections of all images; element i holds the detections of image i."""
    return FlatDetections(
        image_numbers=np.repeat(np.arange(len(detections)), [len(found) for found in detections]),
        boxes=join_arrays([found.boxes for found in detections], np.float64).reshape(-1, 4),
        scores=join_arrays([found.scores for found in detections], np.float64),
        labels=join_arrays([found.labels for found in detections], np.int64),
    )


def rank_detections(detections: FlatDetections, num_images: int, num_classes: int) -> RankedDetections:
    """Sort the detections by class and score.

    Raises ValueError for a non-finite score or box, and for an image index or label out of range.
    """
    image_numbers, boxes, scores, labels = detections
    strange = (image_numbers < 0) | (image_numbers >= num_images)
    _refuse(strange, image_numbers, f"is on none of the {num_images} images")
    _refuse(~np.isfinite(scores), image_numbers, "has a score that is not a finite number")
    _refuse(~np.isfinite(boxes).all(1), image_numbers, "has a coordinate that is not a finite number")
    unknown = (labels < 0) | (labels >= num_classes)
    _refuse(unknown, image_numbers, f"has a label outside the {num_classes} classes (0 to {num_classes - 1})")

    if (np.diff(image_numbers) < 0).any():
        by_image = np.argsort(image_numbers, kind="stable")
        image_numbers, boxes, scores, labels = (column[by_image] for column in detections)
    by_score = np.argsort(-scores, kind="stable")
    short = labels[by_score].astype(np.min_scalar_type(num_classes))  # small integers sort ten times faster
    order = by_score[np.argsort(short, kind="stable")]
    image_numbers, labels = image_numbers[order], labels[order]
    return RankedDetections(
        image_numbers=image_numbers,
        boxes=boxes[order],
        scores=scores[order],
        labels=labels,
        rank=position_in_run(image_numbers * num_classes + labels),
        class_starts=np.searchsorted(labels, np.arange(num_classes + 1)),
    )


def check_ground_truth(ground_truth: GroundTruth) -> None:
    """Raise ValueError for labels or image indices out of range and for non-finite coordinates."""
    classes = len(ground_truth.class_names)
    if bool(((ground_truth.labels < 0) | (ground_truth.labels >= classes)).any()):
        raise ValueError(f"the ground truth has a label outside its {classes} classes; labels start at 0")
    if bool(
        ((ground_truth.image_numbers < 0) | (ground_truth.image_numbers >= ground_truth.num_images)).any()
    ):
        raise ValueError(f"the ground truth has an object outside its {ground_truth.num_images} images")
    if not np.isfinite(ground_truth.boxes).all():
        raise ValueError("the ground truth has a coordinate that is not a finite number")


def position_in_run(keys: np.ndarray) -> np.ndarray:
    """Return for each of `keys` [N] the number of equal keys before it: int64 [N]."""
    order = np.argsort(keys, kind="stable")
    new = np.diff(keys[order], prepend=-1) != 0
    starts = np.flatnonzero(new)
    position = np.empty(len(keys), np.int64)
    position[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    return position


def _refuse(wrong: np.ndarray, image_numbers: np.ndarray, complaint: str) -> None:
    if wrong.any():
        number = image_numbers[wrong.argmax()]
        raise ValueError(f"a detection on image number {number} (counting from 0) {complaint}")
