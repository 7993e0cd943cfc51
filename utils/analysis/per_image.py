"""True positives, false positives and false negatives per image."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.evaluate.matching import Matched
from utils.system.csv_text import csv_text
from utils.system.files import NOT_UTF8, write_text


class ImageCounts(NamedTuple):
    """Counts per image, for detections above a confidence threshold.

    correct  int64 [N], true positives
    wrong    int64 [N], false positives
    missed   int64 [N], false negatives
    f1       float64 [N], NaN for an image without objects and detections
    """

    correct: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray
    f1: np.ndarray


def count_per_image(matched: Matched, confidence: float) -> ImageCounts:
    """Count by VOC's rule at the IoU of `matched`, without ignored objects and detections."""
    found, ground_truth, _, verdict, _ = matched
    shown = found.scores >= confidence
    correct, counted, objects = (
        np.bincount(image_numbers, minlength=ground_truth.num_images)
        for image_numbers in (
            found.image_numbers[shown & verdict.correct],
            found.image_numbers[shown & verdict.counted],
            ground_truth.image_numbers[~ground_truth.uncounted],
        )
    )
    both = counted + objects
    f1 = np.divide(2.0 * correct, both, out=np.full(len(both), np.nan), where=both > 0)
    return ImageCounts(correct, counted - correct, objects - correct, f1)


def write_image_counts(path: Path, counts: ImageCounts, names: Sequence[str]) -> None:
    """Write a CSV table with a row per image; F1 is empty if it is NaN. Names are safe, see `csv_text`."""
    rows: list[Sequence[object]] = [["image", *ImageCounts._fields]]
    for name, *numbers, f1 in zip(names, *(column.tolist() for column in counts), strict=True):
        rows.append([name, *numbers, "" if math.isnan(f1) else f1])
    write_text(path, csv_text(rows), errors=NOT_UTF8)
