"""What evaluation compares: all objects and all detections of a data set as flat float64 arrays.

Flat arrays rather than lists for each image, because every later step then handles the whole data set in a
few array operations. float64, because an overlap that lies exactly on a threshold must stay there.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from utils.data.detections import Detections
from utils.data.index import DatasetIndex


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The objects of a data set.

    class_names  the classes; labels point into it
    num_images   how many images there are, those without objects included
    image        int64 [M], which image each object is on
    boxes        float64 [M, 4], xyxy in pixels of the original image
    labels       int64 [M], 0-based
    difficult    bool [M], hard to see: finding it or not counts neither way
    crowd        bool [M], a region of many objects: detections inside it count neither way
    areas        float64 [M], square pixels, for the COCO figures by size
    """

    class_names: tuple[str, ...]
    num_images: int
    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray

    @staticmethod
    def from_index(index: DatasetIndex) -> "GroundTruth":
        """The objects of a data set that was read from files."""
        return GroundTruth(
            class_names=index.class_names,
            num_images=len(index),
            image=np.repeat(np.arange(len(index)), np.diff(index.box_offsets)),
            boxes=index.boxes.astype(np.float64),
            labels=index.labels.astype(np.int64),
            difficult=index.difficult,
            crowd=index.crowd,
            areas=index.areas.astype(np.float64),
        )

    @property
    def uncounted(self) -> np.ndarray:
        """bool [M], objects that count neither as found nor as missed."""
        return self.difficult | self.crowd


class FlatDetections(NamedTuple):
    """All detections of a data set in any order, as files of results hold them.

    image   int64 [D], which image each is on
    boxes   float64 [D, 4], xyxy in pixels of the original image
    scores  float64 [D]
    labels  int64 [D], 0-based
    """

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray


class RankedDetections(NamedTuple):
    """All detections in the order in which they are counted: by class, then best score first.

    Equal scores are in the order of the images, and on one image as they were given. Every array of results
    that evaluation makes is in this order, so that a class is a slice and counting along it needs no sorting.

    image         int64 [D]
    boxes         float64 [D, 4], xyxy in pixels of the original image
    scores        float64 [D], falling within a class
    labels        int64 [D], rising
    place         int64 [D], 0 for the best detection of its class on its image, 1 for the second ...
    class_starts  int64 [C + 1], where each class starts
    """

    image: np.ndarray
    boxes: np.ndarray
    scores: np.ndarray
    labels: np.ndarray
    place: np.ndarray
    class_starts: np.ndarray

    def keep(self, wanted: np.ndarray) -> "RankedDetections":
        """Only those that are wanted, bool [D]; `place` is still that among all."""
        starts = np.append(0, np.cumsum(wanted))[self.class_starts]
        return RankedDetections(
            self.image[wanted],
            self.boxes[wanted],
            self.scores[wanted],
            self.labels[wanted],
            self.place[wanted],
            starts,
        )


def flatten_detections(detections: Sequence[Detections]) -> FlatDetections:
    """The detections of all images, element i being those of image i, one after the other."""
    return FlatDetections(
        image=np.repeat(np.arange(len(detections)), [len(found) for found in detections]),
        boxes=_joined([found.boxes for found in detections]).reshape(-1, 4),
        scores=_joined([found.scores for found in detections]),
        labels=_joined([found.labels for found in detections]).astype(np.int64),
    )


def rank_detections(detections: FlatDetections, num_images: int, num_classes: int) -> RankedDetections:
    """Put the detections in the order in which they are counted.

    Raises ValueError for a score or box that is not a finite number, and for an image or label that there
    is not.
    """
    image, boxes, scores, labels = detections
    strange = (image < 0) | (image >= num_images)
    _refuse(strange, image, f"is on none of the {num_images} images")
    _refuse(~np.isfinite(scores), image, "has a score that is not a finite number")
    _refuse(~np.isfinite(boxes).all(1), image, "has a coordinate that is not a finite number")
    unknown = (labels < 0) | (labels >= num_classes)
    _refuse(unknown, image, f"has a label outside the {num_classes} classes (0 to {num_classes - 1})")

    if (np.diff(image) < 0).any():
        by_image = np.argsort(image, kind="stable")
        image, boxes, scores, labels = (column[by_image] for column in detections)
    by_score = np.argsort(-scores, kind="stable")
    short = labels[by_score].astype(np.min_scalar_type(num_classes))  # short integers sort ten times as fast
    order = by_score[np.argsort(short, kind="stable")]
    image, labels = image[order], labels[order]
    return RankedDetections(
        image=image,
        boxes=boxes[order],
        scores=scores[order],
        labels=labels,
        place=position_in_run(image * num_classes + labels),
        class_starts=np.searchsorted(labels, np.arange(num_classes + 1)),
    )


def check_ground_truth(truth: GroundTruth) -> None:
    """Raise ValueError for labels, images or coordinates that cannot be meant."""
    classes = len(truth.class_names)
    if bool(((truth.labels < 0) | (truth.labels >= classes)).any()):
        raise ValueError(f"the ground truth has a label outside its {classes} classes; labels start at 0")
    if bool(((truth.image < 0) | (truth.image >= truth.num_images)).any()):
        raise ValueError(f"the ground truth has an object outside its {truth.num_images} images")
    if not np.isfinite(truth.boxes).all():
        raise ValueError("the ground truth has a coordinate that is not a finite number")


def position_in_run(keys: np.ndarray) -> np.ndarray:
    """For each element, how many elements before it have the same key; int64, the shape of `keys` [N]."""
    order = np.argsort(keys, kind="stable")
    new = np.diff(keys[order], prepend=-1) != 0
    starts = np.flatnonzero(new)
    position = np.empty(len(keys), np.int64)
    position[order] = np.arange(len(keys)) - np.repeat(starts, np.diff(starts, append=len(keys)))
    return position


def _joined(parts: Sequence[np.ndarray]) -> np.ndarray:
    return np.concatenate([np.asarray(part, np.float64) for part in parts]) if parts else np.zeros(0)


def _refuse(wrong: np.ndarray, image: np.ndarray, complaint: str) -> None:
    if wrong.any():
        raise ValueError(f"a detection on image number {image[wrong.argmax()]} (counting from 0) {complaint}")
