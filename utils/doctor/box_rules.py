"""Which boxes cannot be right, or are worth a look, as one bool a box."""

import numpy as np
from numpy.typing import NDArray

from utils.data.boxes import box_area, iou
from utils.data.index import DatasetIndex
from utils.doctor.file_checks import BEYOND, exif_fit
from utils.doctor.splits import Split

TINY = 2.0  # pixels of the original image: a side below it is a slip of the mouse
WHOLE = 0.98  # of both sides of the image
DOUBLED_IOU = 0.9


def box_owners(index: DatasetIndex) -> np.ndarray:
    """Which image each box belongs to: int64 [M]."""
    return np.repeat(np.arange(len(index)), np.diff(index.box_offsets))


def box_sides(index: DatasetIndex) -> np.ndarray:
    """Width and height of each box in pixels: float32 [M, 2]."""
    return index.boxes[:, 2:] - index.boxes[:, :2]


def true_sizes(split: Split) -> np.ndarray:
    """Height and width of each image: float64 [N, 2], as stated if it cannot be read, or else NaN."""
    true = np.array([facts.size for facts in split.facts], np.float64).reshape(-1, 2)
    known = np.where(true > 0, true, split.index.sizes)
    return np.where(known > 0, known, np.nan)


def tiny(split: Split) -> NDArray[np.bool_]:
    """Boxes with a side below 2 pixels: bool [M]."""
    return box_sides(split.index).min(axis=1) < TINY


def whole(split: Split) -> NDArray[np.bool_]:
    """Boxes of nearly the whole width and height of their image: bool [M]."""
    width_height = true_sizes(split)[box_owners(split.index), ::-1]
    covers = box_sides(split.index) >= WHOLE * width_height
    return covers[:, 0] & covers[:, 1]


def beyond_border(split: Split) -> np.ndarray:
    """Boxes past the border, bool [M]; of an image drawn on before EXIF turned it, none (see `exif_fit`)."""
    owners = box_owners(split.index)
    limits = true_sizes(split)[owners, ::-1] + BEYOND
    beyond = (split.index.boxes[:, :2] < -BEYOND).any(axis=1) | (split.index.boxes[:, 2:] > limits).any(
        axis=1
    )
    turned = np.array([exif_fit(split, image) == "un-turned" for image in range(len(split.index))], bool)
    return beyond & ~turned[owners]


def overlapping_boxes(index: DatasetIndex) -> tuple[np.ndarray, np.ndarray]:
    """Boxes with IoU above 0.9 with another of their image, as two bool [M]: with an earlier one of the same
    class; with any of another class. Crowds do not count."""
    same, different = np.zeros(len(index.boxes), bool), np.zeros(len(index.boxes), bool)
    for image in np.flatnonzero(np.diff(index.box_offsets) > 1).tolist():
        span = index.span(image)
        boxes = index.boxes[span]
        near = iou(boxes[:, None], boxes) > DOUBLED_IOU
        near &= ~(index.crowd[span][:, None] | index.crowd[span])
        equal = index.labels[span][:, None] == index.labels[span]
        same[span] = np.tril(near & equal, -1).any(axis=1)
        different[span] = (near & ~equal).any(axis=1)
    return same, different


def training_sides(split: Split, image_size: tuple[int, int]) -> np.ndarray:
    """The square root of each box's area in pixels of the network's input: float64 [M]."""
    scale = (np.array(image_size) / true_sizes(split)).min(axis=1)
    return np.sqrt(box_area(split.index.boxes)) * scale[box_owners(split.index)]
