"""Read the lines of YOLO label files.

A line is `class cx cy w h`: the centre and size of the box as fractions of the image's width and height. A
line `class x1 y1 x2 y2 x3 y3 ...` is a segmentation polygon, also in fractions: it gives its bounding box and
the polygon's own area, as in COCO. Keypoints may follow the box if the data says how many (`kpt_shape`).
"""

import math
from array import array
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.notes import IMAGES_SKIPPED, OBJECTS_SKIPPED, NoteTaker, Problem
from utils.data.summary import require_most
from utils.formats.plausible import refuse_corners, refuse_counting_from_one
from utils.system.files import read_text

FARTHEST = 1.5  # fractions beyond this, or below 1 - this, are pixels or another mistake
COLUMNS = 7  # of the table
FORM = "class, cx, cy, w, h or class, x1, y1, x2, y2, x3, y3, ..."


class YoloLabels(NamedTuple):
    """The objects of all label files, in fractions of the image size.

    counts    number of objects per image
    table     float64 [M, 7]: class, box xyxy (not clipped), area of the polygon (NaN for a box), line number
    readable  bool [N], whether the label file of each image could be read; True without a label file
    """

    counts: np.ndarray
    table: np.ndarray
    readable: np.ndarray


class _ClassError(ValueError):
    """The class of a line is out of range."""

    def __init__(self, message: str, label: float) -> None:
        super().__init__(message)
        self.label = label


def read_yolo_labels(
    files: Sequence[Path | None], classes: int, keypoints: int, source: str, taker: NoteTaker
) -> YoloLabels:
    """Read all label files; `keypoints` is the number of columns that may follow the box.

    Lines and files that cannot be read are skipped and go to `taker`. ValueError if these are most, or if
    class numbers seem to start at 1.
    """
    counts = np.zeros(len(files), np.int64)
    readable = np.ones(len(files), bool)
    values = array("d")  # a flat array, for millions of values
    bad: list[Problem] = []
    beyond = array("d")  # class numbers that are too large
    for row, file in enumerate(files):
        before = len(values)
        try:
            lines = read_text(file).split("\n") if file else []
        except ValueError as error:
            taker.add(IMAGES_SKIPPED, file, str(error))
            readable[row] = False
            continue
        for number, line in enumerate(lines, 1):
            if line and not line.isspace():
                try:
                    values.extend((*_parse_line(line, classes, keypoints), number))
                except _ClassError as error:
                    beyond.append(error.label)
                    bad.append(Problem(str(file), f"line {number}: {error}"))
                except ValueError as error:
                    bad.append(Problem(str(file), f"line {number}: {error}"))
        counts[row] = (len(values) - before) // COLUMNS
    table = np.array(values).reshape(-1, COLUMNS)
    refuse_counting_from_one(np.concatenate([table[:, 0], beyond]), classes, source)
    require_most(bad, len(table) + len(bad), source, "correct the label lines, or check --classes")
    _refuse_corners(table, source)
    for file_name, reason in bad:
        taker.add(OBJECTS_SKIPPED, file_name, reason)
    return YoloLabels(counts, table, readable)


def _refuse_corners(table: np.ndarray, source: str) -> None:
    boxes = table[np.isnan(table[:, 5]), 1:5]  # without polygons
    centres, sizes = (boxes[:, :2] + boxes[:, 2:]) / 2, boxes[:, 2:] - boxes[:, :2]
    refuse_corners(np.hstack([centres, sizes]), boxes, np.ones_like(sizes), "cx, cy, w, h", source)


def _parse_line(line: str, classes: int, keypoints: int) -> tuple[float, ...]:
    """Return class, box xyxy, and area of the polygon (NaN for a box), in fractions."""
    try:
        label, *values = map(float, line.split())
    except ValueError:
        raise ValueError(f"{_quoted(line)} is not numbers separated by blanks") from None
    if not (0 <= label < classes and label % 1 == 0):
        message = f"class {label:g} in {_quoted(line)}, but there are {classes} classes: 0 to {classes - 1}"
        raise _ClassError(message, label)
    if keypoints and len(values) == 4 + keypoints:
        values = values[:4]
    elif len(values) != 4 and (fault := _column_fault(values, keypoints)):
        raise ValueError(f"{_quoted(line)} {fault}")
    if not all(1 - FARTHEST <= value <= FARTHEST for value in values):
        raise ValueError(
            f"{_quoted(line)} has numbers that are not fractions of the image, from 0 to 1 (pixels?)"
        )
    return (label, *_box_of(values)) if len(values) == 4 else (label, *_box_of_outline(values))


def _column_fault(values: Sequence[float], keypoints: int) -> str:
    """Return what is wrong with the number of columns after the class; empty for a polygon."""
    count = len(values)
    if count == 5:
        return "has a sixth column, as a confidence of predictions: labels have none, remove it"
    if keypoints:
        return f"has {count - 4} columns after the box, but kpt_shape means {keypoints}"
    visibility = values[6::3] if count > 6 and count % 3 == 1 else ()
    if visibility and all(value in (0, 1, 2) for value in visibility) and not set(values) <= {0, 1}:
        return "looks like a box and keypoints: name the data by its YAML file with kpt_shape: [points, 3]"
    if count < 6 or count % 2:
        return f"is not {FORM}"
    return ""


def _quoted(line: str) -> str:
    return repr(line.strip() if len(line) < 80 else line[:80] + "...")


def _box_of(values: Sequence[float]) -> tuple[float, ...]:
    cx, cy, w, h = values
    return cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2, math.nan


def _box_of_outline(values: Sequence[float]) -> tuple[float, ...]:
    """Return the bounding box of a polygon, and its area by the shoelace formula."""
    xs, ys = values[::2], values[1::2]
    twice = sum(
        x * below - y * right
        for x, y, right, below in zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    )
    return min(xs), min(ys), max(xs), max(ys), abs(twice) / 2
