"""Rules that select wrong or suspicious boxes: one bool per box."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from utils.data.boxes import box_area, iou
from utils.data.index import DatasetIndex
from utils.data.types import Boxes, Size
from utils.doctor.file_checks import BORDER_TOLERANCE, exif_fits
from utils.doctor.splits import Split

TINY_SIDE = 2.0  # pixels of the original image: boxes with a shorter side are accidental clicks
WHOLE_SHARE = 0.98  # fraction of both sides of the image
BLOCK_ROWS = 500  # boxes compared with all others at a time
DUPLICATE_IOU = 0.9

BoxMask = NDArray[np.bool_]  # [M], one bool per box of a split


def box_owners(index: DatasetIndex) -> np.ndarray:
    """Return the image index of each box: int64 [M]."""
    counts = np.diff(index.box_offsets)
    return np.repeat(np.arange(len(counts)), counts)


def box_sides(index: DatasetIndex) -> np.ndarray:
    """Return the width and height of each box in pixels: float32 [M, 2]."""
    return index.boxes[:, 2:] - index.boxes[:, :2]


def true_sizes(split: Split) -> np.ndarray:
    """Return the height and width of each image: float64 [N, 2].

    If an image cannot be read, the size in its annotations, or NaN.
    """
    true = np.array([facts.size for facts in split.facts], np.float64).reshape(-1, 2)
    known = np.where(true > 0, true, split.index.sizes)
    return np.where(known > 0, known, np.nan)


def tiny_boxes(split: Split) -> BoxMask:
    """Return boxes with a side shorter than 2 pixels."""
    return box_sides(split.index).min(axis=1) < TINY_SIDE


def whole_image_boxes(split: Split) -> BoxMask:
    """Return boxes that cover at least 98 % of the width and height of their image."""
    width_height = true_sizes(split)[box_owners(split.index), ::-1]
    covers = box_sides(split.index) >= WHOLE_SHARE * width_height
    return covers[:, 0] & covers[:, 1]


def boxes_beyond_border(split: Split) -> BoxMask:
    """Return boxes that reach beyond the image border.

    Boxes that were drawn on the image without its EXIF rotation are left to another check (see `exif_fits`).
    """
    owners = box_owners(split.index)
    boxes = split.index.boxes
    limits = true_sizes(split)[owners, ::-1] + BORDER_TOLERANCE
    beyond = (boxes[:, :2] < -BORDER_TOLERANCE).any(axis=1) | (boxes[:, 2:] > limits).any(axis=1)
    turned = np.array([fit == "un-turned" for fit in exif_fits(split)], bool)
    return beyond & ~turned[owners]


def doubled_boxes(split: Split) -> BoxMask:
    """Return boxes with IoU > 0.9 with an earlier box of the same image and class, except crowds."""
    index = split.index
    doubled = np.zeros(len(index.boxes), bool)
    for rows, columns, overlaps in _overlaps(index):
        same_class = index.labels[rows][:, None] == index.labels[columns]
        doubled[rows] = (overlaps & same_class & (columns < rows[:, None])).any(axis=1)
    return doubled


def conflicting_boxes(split: Split) -> BoxMask:
    """Return boxes with IoU > 0.9 with a box of the same image and another class, except crowds."""
    index = split.index
    conflicting = np.zeros(len(index.boxes), bool)
    for rows, columns, overlaps in _overlaps(index):
        same_class = index.labels[rows][:, None] == index.labels[columns]
        conflicting[rows] = (overlaps & ~same_class).any(axis=1)
    return conflicting


def training_sides(split: Split, image_size: Size) -> np.ndarray:
    """Return the square root of each box area, in pixels of the network input: float64 [M]."""
    scale = (np.array(image_size) / true_sizes(split)).min(axis=1)
    return np.sqrt(box_area(split.index.boxes)) * scale[box_owners(split.index)]


def _overlaps(index: DatasetIndex) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Yield numbers of boxes [R], of boxes of their image [C], and which pairs have IoU > 0.9: bool [R, C].

    All boxes of the images with two or more come as rows once, in blocks, so that memory does not grow with
    the square of their number.
    """
    for image_number in np.flatnonzero(np.diff(index.box_offsets) > 1).tolist():
        span = index.span(image_number)
        numbers = span.start + np.argsort(index.boxes[span, 0], kind="stable")
        for first in range(0, len(numbers), BLOCK_ROWS):
            rows = numbers[first : first + BLOCK_ROWS]
            columns = _near(index.boxes, rows, numbers)
            overlaps = iou(index.boxes[rows][:, None], index.boxes[columns]) > DUPLICATE_IOU
            yield rows, columns, overlaps & ~(index.crowd[rows][:, None] | index.crowd[columns])


def _near(boxes: Boxes, rows: np.ndarray, numbers: np.ndarray) -> np.ndarray:
    """Return those of the boxes, which are sorted by their left sides, that can have such an IoU with a row.

    With IoU > t the common width is above t times either width, so the left sides are closer than
    (1 / t - 1) times the width of the row.
    """
    if len(numbers) <= BLOCK_ROWS:
        return numbers
    left = boxes[numbers, 0]
    reach = (1 / DUPLICATE_IOU - 1) * float((boxes[rows, 2] - boxes[rows, 0]).max()) + 1  # 1: rounding
    first, last = np.searchsorted(left, [boxes[rows[0], 0] - reach, boxes[rows[-1], 0] + reach])
    return numbers[first:last]
