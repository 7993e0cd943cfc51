"""The second step of evaluation: average precision per class, from true and false positives.

Precision and recall are computed after each detection of a class, by descending score. Average precision is
the mean of that curve after interpolation (precision is raised to its maximum at any higher recall); the
variants differ in where they sample the curve.

Only true positives matter here: between two true positives recall is constant and precision only falls.
"""

from itertools import pairwise

import numpy as np

from utils.evaluate.matching import Verdict

# Floating point, as in the Python devkits behind published results: 0.6 and 0.7 are one bit too high here, so
# a recall of exactly 3 / 5 does not reach the seventh point.
VOC07_RECALLS = np.linspace(0, 1, 11)
COCO_RECALLS = np.linspace(0, 1, 101)
MISS_RATE_POINTS = np.logspace(-2, 0, 9)  # false positives per image


def counted_at_hits(verdict: Verdict, class_starts: np.ndarray) -> list[np.ndarray]:
    """Return per class, at each true positive, the number of detections so far that are not ignored (int64).

    Element k - 1 belongs to the k-th true positive, whose precision is k / element.
    """
    hits = np.flatnonzero(verdict.correct)
    counted = np.append(0, np.cumsum(verdict.counted))
    bounds = np.searchsorted(hits, class_starts)
    at_hits = counted[hits + 1] - np.repeat(counted[class_starts[:-1]], np.diff(bounds))
    return [at_hits[start:end] for start, end in pairwise(bounds)]


def raised_precision(counted: np.ndarray) -> np.ndarray:
    """Return the interpolated precision at each true positive, its maximum from there on; float64 [H]."""
    precision = np.arange(1, len(counted) + 1) / counted
    return np.maximum.accumulate(precision[::-1])[::-1]


def area_ap(counted: np.ndarray, objects: int) -> float:
    """Return VOC average precision since 2010: area under the interpolated curve. NaN without objects."""
    return float(raised_precision(counted).sum()) / objects if objects else np.nan


def sampled_ap(counted: np.ndarray, objects: int, recalls: np.ndarray) -> float:
    """Return the mean interpolated precision at the given recalls, 0 if not reached. NaN without objects."""
    return float(precision_at(counted, objects, recalls).mean()) if objects else np.nan


def precision_at(counted: np.ndarray, objects: int, recalls: np.ndarray) -> np.ndarray:
    """Return the interpolated precision at the given recalls (ascending, up to 1), 0 if not reached."""
    assert 0 < objects >= len(counted), "more true positives than objects"
    curve = np.zeros(objects)
    curve[: len(counted)] = raised_precision(counted)
    return curve[np.searchsorted(np.arange(1, objects + 1) / objects, recalls)]


def log_average_miss_rate(counted: np.ndarray, objects: int, num_images: int) -> float:
    """Return the geometric mean of the miss rates at nine rates of false positives per image from .01 to 1.

    Dollar et al., "Pedestrian Detection: An Evaluation of the State of the Art", PAMI 2012. Lower is better.
    """
    if not objects:
        return np.nan
    false_positives = counted - np.arange(1, len(counted) + 1)
    found = np.searchsorted(false_positives, MISS_RATE_POINTS * num_images, "right")
    return float(np.exp(np.log(np.maximum(1 - found / objects, 1e-10)).mean()))
