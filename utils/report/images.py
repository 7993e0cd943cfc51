"""The images of a report: thumbnails, and boxes as numbers that the page draws and can hide."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.analysis.analyse import Analysis
from utils.analysis.label_errors import LabelError
from utils.draw.thumbnails import data_url, resized
from utils.evaluate.matching import Matched, found_by
from utils.images.headers import MAX_IMAGE_PIXELS
from utils.images.image_io import ImageError, read_image
from utils.system.terminal import printable

IMAGE_SIDE = 480  # pixels of the longer side
MAX_IMAGES_SHOWN = 24
MAX_LABEL_ERRORS_SHOWN = 24
MAX_DETECTIONS_SHOWN = 100  # per image
MIN_SHOWN_SCORE = 0.05  # detections below this are not in the page
LABEL_ERROR_MARGIN = 0.6  # margin around a label error, times the size of its box

Box = Sequence[float]
WHOLE_IMAGE: Box = (0, 0, MAX_IMAGE_PIXELS, MAX_IMAGE_PIXELS)  # larger than any side
PathOrName = Path | str  # path of an image, or only its name


def worst_images(matched: Matched, analysis: Analysis, sources: Sequence[PathOrName]) -> list[dict[str, Any]]:
    """Return up to 24 images with the most errors at the confidence of the analysis, worst first."""
    counts = analysis.image_counts
    mistakes = counts.wrong + counts.missed
    order = np.lexsort((np.nan_to_num(counts.f1, nan=1.0), -mistakes))
    finder = found_by(matched)
    entries = []
    for image_number in order[mistakes[order] > 0].tolist():
        for entry in _crops(sources[image_number], [WHOLE_IMAGE]):  # empty if unreadable
            marks = {
                "objects": [*_objects(matched, finder, image_number)],
                "detections": [*_detections(matched, image_number)],
            }
            entries.append(entry | marks)
        if len(entries) == MAX_IMAGES_SHOWN:
            break
    return entries


def label_error_images(
    label_errors: Sequence[LabelError], sources: Sequence[PathOrName]
) -> list[dict[str, Any]]:
    """Return crops around up to 24 label errors, by descending score."""
    entries: list[dict[str, Any]] = []
    rest = label_errors
    while rest and len(entries) < MAX_LABEL_ERRORS_SHOWN:  # again if images are unreadable
        wanted = MAX_LABEL_ERRORS_SHOWN - len(entries)
        entries += _label_error_crops(rest[:wanted], sources)
        rest = rest[wanted:]
    return entries


def _label_error_crops(
    label_errors: Sequence[LabelError], sources: Sequence[PathOrName]
) -> list[dict[str, Any]]:
    """Return a crop per label error, except on unreadable images; read each image once."""
    crops: dict[LabelError, dict[str, Any]] = {}
    for image_number in {error.image_number for error in label_errors}:
        here = [error for error in label_errors if error.image_number == image_number]
        parts = [_around(error.box, error.suggested_box) for error in here]
        crops |= zip(here, _crops(sources[image_number], parts), strict=False)  # empty if unreadable
    return [
        crops[error]
        | {
            "kind": error.kind,
            "score": round(error.score, 4),
            "label": error.label,
            "suggested": error.suggested,
            "box": error.box and _rounded(error.box),
            "suggestedBox": error.suggested_box and _rounded(error.suggested_box),
        }
        for error in label_errors
        if error in crops
    ]


def _crops(source: PathOrName, parts: Sequence[Box]) -> list[dict[str, Any]]:
    """Return crops of an image as data URLs, with their views (left, top, width, height)."""
    if isinstance(source, str):
        return [{"name": printable(source)} for _ in parts]
    try:
        image = read_image(source)
    except ImageError:
        return []
    height, width = image.shape[:2]
    entries = []
    for left, top, right, bottom in [_within(part, width, height) for part in parts]:
        crop = image[top:bottom, left:right]
        small = resized(crop, min(IMAGE_SIDE / max(crop.shape[:2]), 1.0))
        view = [left, top, right - left, bottom - top]
        entries.append({"name": printable(source.name), "view": view, "source": data_url(small)})
    return entries


def _within(part: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Clip `part` to the image, in whole pixels and at least 1 x 1."""
    left, top = min(max(int(part[0]), 0), width - 1), min(max(int(part[1]), 0), height - 1)
    return left, top, max(min(int(part[2]) + 1, width), left + 1), max(min(int(part[3]) + 1, height), top + 1)


def _around(*boxes: Box | None) -> Box:
    """Return a box around all boxes, with a margin."""
    known = np.array([box for box in boxes if box is not None])
    low, high = known[:, :2].min(0), known[:, 2:].max(0)
    margin = np.maximum(LABEL_ERROR_MARGIN * (high - low), 16)
    return [*(low - margin).tolist(), *(high + margin).tolist()]


def _objects(matched: Matched, finder: np.ndarray, image_number: int) -> Iterator[list[float]]:
    """Yield label, box, score of the matched detection (0 for none), and 0 if ignored, else 1."""
    truth, scores = matched.ground_truth, matched.found.scores
    for k in np.flatnonzero(truth.image_numbers == image_number).tolist():
        score = float(scores[finder[k]]) if finder[k] >= 0 else 0.0
        yield [int(truth.labels[k]), *_rounded(truth.boxes[k]), round(score, 4), int(not truth.uncounted[k])]


def _detections(matched: Matched, image_number: int) -> Iterator[list[float]]:
    """Yield label, box, score, and 1 for TP, 0 for FP, -1 for ignored; by descending score."""
    found, verdict = matched.found, matched.verdict
    here = np.flatnonzero((found.image_numbers == image_number) & (found.scores >= MIN_SHOWN_SCORE))
    for k in here[np.argsort(-found.scores[here], kind="stable")][:MAX_DETECTIONS_SHOWN].tolist():
        state = int(verdict.correct[k]) if verdict.counted[k] else -1
        yield [int(found.labels[k]), *_rounded(found.boxes[k]), round(float(found.scores[k]), 4), state]


def _rounded(box: Box | np.ndarray) -> list[float]:
    return [round(float(side), 1) for side in box]
