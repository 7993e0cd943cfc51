"""Saves the detections on images as text, JSON, CSV and crops, and counts them."""

import csv
import io
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypedDict

import numpy as np

from utils.data.boxes import xyxy_to_xywh
from utils.data.detections import Detections
from utils.data.types import Image
from utils.images.image_io import save_image
from utils.system.files import safe_file_name, write_text


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
        path = error.filename or folder
        reason = error.strerror or error
        raise OSError(f"{path} cannot be saved ({reason}): make room, or give another --output") from error


def save_text(path: Path, detections: Detections, class_names: Sequence[str]) -> None:
    """Write one detection per line: `class score left top right bottom`, in pixels, in full precision.

    A class name may contain spaces: read the five numbers from the right.
    """
    lines = []
    for box, score, label in zip(detections.boxes, detections.scores, detections.labels, strict=True):
        numbers = " ".join(map(_digits, (score, *box)))
        lines.append(f"{class_names[label]} {numbers}\n")
    write_text(path, "".join(lines), durable=False)


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
    write_text(path, f"[\n{lines}\n]\n")


def save_csv(
    path: Path, sources: Sequence[str], detections: Sequence[Detections], class_names: Sequence[str]
) -> None:
    """Write one detection per row: image, class, score and xyxy box in pixels, in full precision."""
    text = io.StringIO()
    rows = csv.writer(text, lineterminator="\n")
    rows.writerow(["image", "class", "score", "left", "top", "right", "bottom"])
    for source, found in zip(sources, detections, strict=True):
        for box, score, label in zip(found.boxes, found.scores, found.labels, strict=True):
            rows.writerow([source, class_names[label], *map(_digits, (score, *box))])
    write_text(path, text.getvalue())


def save_crops(
    folder: Path, name: str, image: Image, detections: Detections, class_names: Sequence[str]
) -> list[Path]:
    """Save the contents of each box as `folder/<class>/<name>_<index>.jpg`; return the files written.

    `name` comes from `names_below`; the index numbers the detections. A box that covers no pixel of the image
    is skipped.
    """
    height, width = image.shape[:2]
    written = []
    for index, (box, label) in enumerate(zip(detections.boxes, detections.labels, strict=True)):
        left, top = np.floor(np.maximum(box[:2], 0)).astype(int)
        right, bottom = np.ceil(np.minimum(box[2:], [width, height])).astype(int)
        if right > left and bottom > top:
            path = folder / safe_file_name(class_names[label]) / f"{name}_{index:03d}.jpg"
            save_image(path, image[top:bottom, left:right])
            written.append(path)
    return written


def count_classes(detections: Sequence[Detections], class_names: Sequence[str]) -> dict[str, int]:
    """Return the number of detections by class name, in class order, without classes not detected."""
    labels = np.concatenate([np.zeros(0, np.int64), *(found.labels for found in detections)])
    counts = np.bincount(labels, minlength=len(class_names))
    return {name: int(count) for name, count in zip(class_names, counts, strict=True) if count}
