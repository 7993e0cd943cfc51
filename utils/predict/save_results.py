"""Saves the detections on images as text, JSON, CSV and crops, and counts them."""

import errno
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np
from tqdm import tqdm

from utils.data.boxes import xyxy_to_xywh
from utils.data.detections import Detections
from utils.data.types import Image
from utils.images.image_io import save_image
from utils.images.output_names import class_folders
from utils.system.csv_text import csv_text
from utils.system.files import NOT_UTF8, write_text

DISK_ERRORS = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)  # of the disk, not of one file


class DetectionEntry(TypedDict):
    """A detection in JSON results: class name, [x, y, width, height] in pixels, and score."""

    category: str
    bbox: list[float]
    score: float


@contextmanager
def saving(folder: Path) -> Iterator[None]:
    """Turn the error for a full disk or a read-only folder into one sentence with the fix."""
    try:
        yield
    except OSError as error:
        raise OSError(f"{_unsaved(error, folder)}: make room, or give another --output") from error


@contextmanager
def saving_image(folder: Path, unsaved: list[str]) -> Iterator[None]:
    """Print an error about the files of one image, and add it to `unsaved`; raise one about the disk."""
    try:
        yield
    except (OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno in DISK_ERRORS:
            with saving(folder):
                raise
        text = _unsaved(error, folder) if isinstance(error, OSError) else str(error)
        tqdm.write(f"not saved: {text}")
        unsaved.append(text)


def _unsaved(error: OSError, folder: Path) -> str:
    return f"{error.filename or folder} cannot be saved ({error.strerror or error})"


def save_text(path: Path, detections: Detections, class_names: Sequence[str]) -> None:
    """Write one detection per line: `class score left top right bottom`, in pixels, in full precision.

    A class name may contain spaces: read the five numbers from the right.
    """
    lines = []
    for box, score, label in zip(detections.boxes, detections.scores, detections.labels, strict=True):
        numbers = " ".join(map(_digits, (score, *box)))
        lines.append(f"{class_names[label]} {numbers}\n")
    write_text(path, "".join(lines), durable=False, errors=NOT_UTF8)


def _digits(value: np.float32) -> str:
    """Return the shortest decimal number that reads back as the same float32."""
    return np.format_float_positional(value, trim="-")


def results_json(
    sources: Sequence[str], detections: Sequence[Detections], class_names: Sequence[str]
) -> list[dict[str, object]]:
    """Return all detections in COCO's result format, with names: image, category, bbox [x, y, w, h], score.

    sources  paths or URLs of the images
    """
    return [
        {"image": source, **entry}
        for source, found in zip(sources, detections, strict=True)
        for entry in named_entries(found, class_names)
    ]


def named_entries(found: Detections, class_names: Sequence[str]) -> list[DetectionEntry]:
    """Return the detections as entries with class names."""
    bboxes = xyxy_to_xywh(found.boxes.astype(np.float64)).tolist()
    return [
        {"category": class_names[label], "bbox": bbox, "score": score}
        for bbox, score, label in zip(bboxes, found.scores.tolist(), found.labels, strict=True)
    ]


def save_json(path: Path, results: Sequence[dict[str, object]]) -> None:
    """Write the results as a JSON list, one detection per line."""
    lines = ",\n".join(json.dumps(result, ensure_ascii=False) for result in results)
    write_text(path, f"[\n{lines}\n]\n", errors=NOT_UTF8)


def save_csv(
    path: Path, sources: Sequence[str], detections: Sequence[Detections], class_names: Sequence[str]
) -> None:
    """Write one detection per row: image, class, score and xyxy box in pixels, in full precision.

    A name that a spreadsheet would take for a formula gets an apostrophe; see `csv_text`.
    """
    rows: list[Sequence[str]] = [["image", "class", "score", "left", "top", "right", "bottom"]]
    for source, found in zip(sources, detections, strict=True):
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            rows.append([source, class_names[label], *map(_digits, (score, *box))])
    write_text(path, csv_text(rows), errors=NOT_UTF8)


def save_crops(
    folder: Path, name: str, image: Image, detections: Detections, class_names: Sequence[str]
) -> list[Path]:
    """Save the contents of each box as `folder/<class>/<name>_<index>.jpg`; return the files written.

    The folders of the classes are those of `class_folders`.

    `name` comes from `names_below`; the index numbers the detections. A box that covers no pixel of the image
    is skipped.
    """
    height, width = image.shape[:2]
    written, folders = [], class_folders(tuple(class_names))
    for index, (box, label) in enumerate(zip(detections.boxes, detections.labels, strict=True)):
        left, top = np.floor(np.maximum(box[:2], 0)).astype(int)
        right, bottom = np.ceil(np.minimum(box[2:], [width, height])).astype(int)
        if right > left and bottom > top:
            path = folder / folders[label] / f"{name}_{index:03d}.jpg"
            save_image(path, image[top:bottom, left:right])
            written.append(path)
    return written


def count_classes(detections: Sequence[Detections], class_names: Sequence[str]) -> dict[str, int]:
    """Return the number of detections by class name, in class order, without classes not detected."""
    labels = np.concatenate([np.zeros(0, np.int64), *(found.labels for found in detections)])
    counts = np.bincount(labels, minlength=len(class_names))
    return {name: int(count) for name, count in zip(class_names, counts, strict=True) if count}
