"""The images of a report: small ones, with boxes as numbers that the page draws and can hide."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.analysis.analyse import Analysis
from utils.analysis.label_errors import Suspect
from utils.draw.thumbnails import data_url, resized
from utils.evaluate.matching import Matched, found_by
from utils.images.image_io import ImageError, read_image

SIDE = 480  # pixels of the longer side
MOST_IMAGES, MOST_SUSPECTS = 24, 24
MOST_DETECTIONS = 100  # of an image
LEAST_SCORE = 0.05  # weaker detections are not in the page
MARGIN = 0.6  # around a doubtful label, times its size

Box = Sequence[float]
ImagePlace = Path | str  # where an image is, or only its name


def worst_images(matched: Matched, analysis: Analysis, places: Sequence[ImagePlace]) -> list[dict[str, Any]]:
    """Up to 24 images with the most mistakes at the confidence of the analysis, the worst first."""
    figures = analysis.images
    mistakes = figures.wrong + figures.missed
    order = np.lexsort((np.nan_to_num(figures.f1, nan=1.0), -mistakes))
    finder = found_by(matched)
    entries = []
    for image_number in order[mistakes[order] > 0].tolist():
        entry = _image(places[image_number])
        if entry is not None:
            marks = {
                "objects": [*_objects(matched, finder, image_number)],
                "detections": [*_detections(matched, image_number)],
            }
            entries.append(entry | marks)
        if len(entries) == MOST_IMAGES:
            break
    return entries


def suspect_images(suspects: Sequence[Suspect], places: Sequence[ImagePlace]) -> list[dict[str, Any]]:
    """The surroundings of the labels most likely wrong, up to 24, the surest first."""
    images = []
    for suspect in suspects:
        image = _image(places[suspect.image], _around(suspect.box, suspect.suggested_box))
        if image is not None:
            about = {
                "kind": suspect.kind,
                "score": round(suspect.score, 4),
                "label": suspect.label,
                "suggested": suspect.suggested,
                "box": suspect.box and _rounded(suspect.box),
                "suggestedBox": suspect.suggested_box and _rounded(suspect.suggested_box),
            }
            images.append(image | about)
        if len(images) == MOST_SUSPECTS:
            break
    return images


def _image(place: ImagePlace, part: Box | None = None) -> dict[str, Any] | None:
    """A part of an image as text, and where it lies: left, top, width, height. None if it cannot be read."""
    if isinstance(place, str):
        return {"name": place}
    try:
        image = read_image(place)
    except ImageError:
        return None
    height, width = image.shape[:2]
    left, top, right, bottom = (0, 0, width, height) if part is None else _within(part, width, height)
    crop = image[top:bottom, left:right]
    small = resized(crop, min(SIDE / max(crop.shape[:2]), 1.0))
    return {"name": place.name, "view": [left, top, right - left, bottom - top], "source": data_url(small)}


def _within(part: Box, width: int, height: int) -> tuple[int, int, int, int]:
    """Whole pixels of the image; at least one each way."""
    left, top = min(max(int(part[0]), 0), width - 1), min(max(int(part[1]), 0), height - 1)
    return left, top, max(min(int(part[2]) + 1, width), left + 1), max(min(int(part[3]) + 1, height), top + 1)


def _around(*boxes: Box | None) -> Box:
    """A box around all of them, with a margin."""
    known = np.array([box for box in boxes if box is not None])
    low, high = known[:, :2].min(0), known[:, 2:].max(0)
    margin = np.maximum(MARGIN * (high - low), 16)
    return [*(low - margin).tolist(), *(high + margin).tolist()]


def _objects(matched: Matched, finder: np.ndarray, image: int) -> Iterator[list[float]]:
    """Label, box, the score of the detection that found it (0 for none), and whether it counts."""
    truth, scores = matched.truth, matched.found.scores
    for k in np.flatnonzero(truth.image == image).tolist():
        score = float(scores[finder[k]]) if finder[k] >= 0 else 0.0
        yield [int(truth.labels[k]), *_rounded(truth.boxes[k]), round(score, 4), int(not truth.uncounted[k])]


def _detections(matched: Matched, image: int) -> Iterator[list[float]]:
    """Label, box, score, and 1 for correct, 0 for wrong, -1 for what counts neither way; the best first."""
    found, verdict = matched.found, matched.verdict
    here = np.flatnonzero((found.image == image) & (found.scores >= LEAST_SCORE))
    for k in here[np.argsort(-found.scores[here], kind="stable")][:MOST_DETECTIONS].tolist():
        state = int(verdict.correct[k]) if verdict.counted[k] else -1
        yield [int(found.labels[k]), *_rounded(found.boxes[k]), round(float(found.scores[k]), 4), state]


def _rounded(box: Box | np.ndarray) -> list[float]:
    return [round(float(side), 1) for side in box]
