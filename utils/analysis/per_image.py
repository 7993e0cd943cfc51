"""How well a detector does on each image: what it found there, invented and missed."""

import csv
import io
import math
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.evaluate.matching import Matched
from utils.system.files import write_text


class ImageFigures(NamedTuple):
    """Counts for each image, of detections from some confidence on.

    correct  int64 [N], detections that found an object
    wrong    int64 [N], detections that found none, or one that was found already
    missed   int64 [N], objects that were not found
    f1       float64 [N], NaN for an image without objects on which nothing was found
    """

    correct: np.ndarray
    wrong: np.ndarray
    missed: np.ndarray
    f1: np.ndarray


def image_figures(matched: Matched, confidence: float) -> ImageFigures:
    """Count by VOC's rule at the overlap of `matched`; what counts neither way is left out."""
    found, truth, _, verdict, _ = matched
    shown = found.scores >= confidence
    correct, counted, objects = (
        np.bincount(images, minlength=truth.num_images)
        for images in (
            found.image[shown & verdict.correct],
            found.image[shown & verdict.counted],
            truth.image[~truth.uncounted],
        )
    )
    both = counted + objects
    f1 = np.divide(2.0 * correct, both, out=np.full(len(both), np.nan), where=both > 0)
    return ImageFigures(correct, counted - correct, objects - correct, f1)


def write_image_figures(path: Path, figures: ImageFigures, names: Sequence[str]) -> None:
    """Write a table with a row for each image, as CSV; F1 is empty where it is not defined."""
    table = io.StringIO()
    writer = csv.writer(table, lineterminator="\n")
    writer.writerow(["image", *ImageFigures._fields])
    for name, *counts, f1 in zip(names, *(column.tolist() for column in figures), strict=True):
        writer.writerow([name, *counts, "" if math.isnan(f1) else f1])
    write_text(path, table.getvalue())
