"""The second step of evaluation: average precision per class, from true and false positives.

Precision and recall are computed after each detection of a class, by descending score. Average precision is
the mean of that curve after interpolation (precision is raised to its maximum at any higher recall); the
variants differ in where they sample the curve.

Only true positives matter here: between two true positives recall is constant and precision only falls.

The metrics take the counts of `counted_at_hits` and the number of objects per class, int64 [C]. They are NaN
for a class without objects.
"""

from collections.abc import Sequence
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


def area_ap(at_hits: Sequence[np.ndarray], objects: np.ndarray) -> np.ndarray:
    """Return VOC average precision since 2010: area under the interpolated curve; float64 [C]."""
    areas = np.array([raised_precision(counted).sum() for counted in at_hits])
    return areas / np.where(objects > 0, objects, np.nan)


def sampled_ap(at_hits: Sequence[np.ndarray], objects: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Return the mean interpolated precision at the given recalls, 0 if not reached; float64 [C]."""
    return precision_at(at_hits, objects, recalls).mean(1)


def sampled_aps(
    verdicts: Sequence[Verdict], class_starts: np.ndarray, objects: np.ndarray, recalls: np.ndarray
) -> np.ndarray:
    """Return `sampled_ap` for each of several verdicts on the same detections; float64 [V, C]."""
    return np.stack(
        [sampled_ap(counted_at_hits(verdict, class_starts), objects, recalls) for verdict in verdicts]
    )


def precision_at(at_hits: Sequence[np.ndarray], objects: np.ndarray, recalls: np.ndarray) -> np.ndarray:
    """Return interpolated precision at the recalls (ascending, up to 1), 0 if not reached; float64 [C, R]."""
    precision = np.full((len(objects), len(recalls)), np.nan)
    for label, (counted, number) in enumerate(zip(at_hits, objects.tolist(), strict=True)):
        if number:
            assert number >= len(counted), "more true positives than objects"
            curve = np.zeros(number)
            curve[: len(counted)] = raised_precision(counted)
            precision[label] = curve[np.searchsorted(np.arange(1, number + 1) / number, recalls)]
    return precision


def log_average_miss_rate(at_hits: Sequence[np.ndarray], objects: np.ndarray, num_images: int) -> np.ndarray:
    """Return the geometric mean of the miss rates at nine rates of false positives per image from .01 to 1.

    Dollar et al., "Pedestrian Detection: An Evaluation of the State of the Art", PAMI 2012. Lower is better.
    Returns float64 [C].
    """
    rates = np.full(len(objects), np.nan)
    for label, (counted, number) in enumerate(zip(at_hits, objects.tolist(), strict=True)):
        if number:
            false_positives = counted - np.arange(1, len(counted) + 1)
            found = np.searchsorted(false_positives, MISS_RATE_POINTS * num_images, "right")
            rates[label] = np.exp(np.log(np.maximum(1 - found / number, 1e-10)).mean())
    return rates
