"""Precision, recall and F1 as functions of the confidence threshold, and the threshold with the best F1.

A threshold keeps the detections with at least that score. If no detection is left, precision is NaN, recall
and F1 are 0. Without objects all three are NaN.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from utils.evaluate.average_precision import counted_at_hits, precision_at
from utils.evaluate.ground_truth import RankedDetections
from utils.evaluate.matching import Verdict

CURVE_CONFIDENCES = np.linspace(0, 1, 1001)
CURVE_RECALLS = np.linspace(0, 1, 1001)


@dataclass(frozen=True, eq=False)
class Curves:
    """The curves to plot: one row per class, NaN where undefined.

    precision, recall, f1  float64 [C, S], at the S values of CURVE_CONFIDENCES
    precision_at_recall    float64 [C, R], interpolated precision at the R values of CURVE_RECALLS
    """

    precision: np.ndarray
    recall: np.ndarray
    f1: np.ndarray
    precision_at_recall: np.ndarray


def metrics_at(
    confidences: np.ndarray, found: RankedDetections, verdict: Verdict, objects: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall and F1 per class at each of the confidences [S]; each float64 [C, S].

    objects  int64 [C], number of objects per class
    """
    shape = (len(objects), len(confidences))
    correct, kept = np.zeros(shape), np.zeros(shape)
    for label in range(len(objects)):
        span = slice(found.class_starts[label], found.class_starts[label + 1])
        number = np.searchsorted(-found.scores[span], -confidences, "right")
        correct[label] = np.append(0, np.cumsum(verdict.correct[span]))[number]
        kept[label] = np.append(0, np.cumsum(verdict.counted[span]))[number]
    total = np.where(objects > 0, objects, np.nan)[:, None]
    precision = np.divide(correct, kept, out=np.full(shape, np.nan), where=(kept > 0) & (total > 0))
    return precision, correct / total, 2 * correct / (kept + total)


def curves(found: RankedDetections, verdict: Verdict, objects: np.ndarray) -> Curves:
    """Return the curves of all classes."""
    by_recall = precision_at(counted_at_hits(verdict, found.class_starts), objects, CURVE_RECALLS)
    return Curves(*metrics_at(CURVE_CONFIDENCES, found, verdict, objects), by_recall)


def best_f1(found: RankedDetections, verdict: Verdict, objects: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the confidence threshold of the best F1 of each class, and that F1; each float64 [C + 1].

    The last element is for all classes: the one threshold with the best mean F1 over the classes with
    objects. Among equally good thresholds the highest is returned, NaN if F1 is 0 at all of them. The F1 is
    NaN for a class without objects.
    """
    use = verdict.counted & (objects[found.labels] > 0)
    scores, labels, correct = found.scores[use], found.labels[use], verdict.correct[use]
    starts = np.searchsorted(labels, np.arange(len(objects) + 1))
    hits = np.append(0, np.cumsum(correct))
    hits_here = hits[1:] - hits[starts[labels]]
    kept_here = np.arange(1, len(labels) + 1) - starts[labels]
    f1 = 2 * hits_here / (kept_here + objects[labels])

    best = [_highest(scores[a:b], f1[a:b]) for a, b in pairwise(starts)]
    before = np.where(kept_here == 1, 0, np.append(0, f1[:-1]))
    order = np.argsort(-scores, kind="stable")  # lower the threshold, one detection at a time
    mean = np.cumsum((f1 - before)[order]) / max(1, np.count_nonzero(objects))
    best.append(_highest(scores[order], mean))
    confidence, value = np.array(best).T
    return confidence, np.where(np.append(objects, objects.sum()) > 0, value, np.nan)


def _highest(scores: np.ndarray, values: np.ndarray) -> tuple[float, float]:
    """Return the score with the highest value, and that value; equal scores count once, at the last."""
    last = np.flatnonzero(np.diff(scores, append=-np.inf) != 0)
    if not values[last].any():
        return np.nan, 0.0
    at = last[values[last].round(12).argmax()]  # rounded, as the order of a sum changes its last bits
    return float(scores[at]), float(values[at])
