"""The second step of evaluation: from what each detection turned out to be to the figures of each class.

With the detections of a class in the order of their scores, precision and recall are counted after each
of them. Average precision is the mean height of that curve, after precision has been raised to the best
that any higher recall reaches; the variants differ in where they sample it.

Only correct detections matter here: between two of them recall stands still and precision only falls.
"""

from itertools import pairwise

import numpy as np

from utils.evaluate.matching import Verdict

# Floating point, as in the Python versions of the devkit that published figures were measured with: 0.6 and
# 0.7 are here a last bit too high, so a recall of exactly 3 of 5 does not reach the seventh point.
VOC07_RECALLS = np.linspace(0, 1, 11)
COCO_RECALLS = np.linspace(0, 1, 101)
MISS_RATE_POINTS = np.logspace(-2, 0, 9)  # false positives per image


def counted_at_hits(verdict: Verdict, class_starts: np.ndarray) -> list[np.ndarray]:
    """For each class: at each correct detection, how many counted detections there are up to it (int64).

    Element k - 1 over k is what the k-th correct one's precision is taken from: precision = k / element.
    """
    hits = np.flatnonzero(verdict.correct)
    counted = np.append(0, np.cumsum(verdict.counted))
    bounds = np.searchsorted(hits, class_starts)
    at_hits = counted[hits + 1] - np.repeat(counted[class_starts[:-1]], np.diff(bounds))
    return [at_hits[start:end] for start, end in pairwise(bounds)]


def raised_precision(counted: np.ndarray) -> np.ndarray:
    """Precision at each correct detection, raised to the best at any later one; float64 [H]."""
    precision = np.arange(1, len(counted) + 1) / counted
    return np.maximum.accumulate(precision[::-1])[::-1]


def area_ap(counted: np.ndarray, objects: int) -> float:
    """VOC from 2010 on: the area under the raised curve. NaN for a class without objects."""
    return float(raised_precision(counted).sum()) / objects if objects else np.nan


def sampled_ap(counted: np.ndarray, objects: int, recalls: np.ndarray) -> float:
    """The mean of the raised curve at the given recalls, 0 where one is not reached. NaN without objects."""
    return float(precision_at(counted, objects, recalls).mean()) if objects else np.nan


def precision_at(counted: np.ndarray, objects: int, recalls: np.ndarray) -> np.ndarray:
    """The raised curve at the given recalls (rising, up to 1), 0 where they are not reached."""
    assert 0 < objects >= len(counted), "more found than there is"
    curve = np.zeros(objects)
    curve[: len(counted)] = raised_precision(counted)
    return curve[np.searchsorted(np.arange(1, objects + 1) / objects, recalls)]


def log_average_miss_rate(counted: np.ndarray, objects: int, num_images: int) -> float:
    """The geometric mean of the miss rate at nine numbers of false positives per image, from .01 to 1.

    Dollar et al., "Pedestrian Detection: An Evaluation of the State of the Art", PAMI 2012. Lower is better.
    """
    if not objects:
        return np.nan
    false_positives = counted - np.arange(1, len(counted) + 1)
    found = np.searchsorted(false_positives, MISS_RATE_POINTS * num_images, "right")
    return float(np.exp(np.log(np.maximum(1 - found / objects, 1e-10)).mean()))
