"""Calibration: whether 70 % of the detections with a score of .7 are true positives.

Kueppers et al., "Multivariate Confidence Calibration for Object Detection", CVPR Workshops 2020,
https://arxiv.org/abs/2004.13546, by score only.
"""

from typing import NamedTuple

import numpy as np

from utils.evaluate.matching import Matched


class Calibration(NamedTuple):
    """Detections binned by score.

    edges    float64 [B + 1], bin edges; a score on an edge belongs to the upper bin
    number   int64 [B], number of detections
    score    float64 [B], mean score, NaN without detections
    correct  float64 [B], fraction of true positives, NaN without detections
    error    expected calibration error: mean difference between fraction and score over all detections
    """

    edges: np.ndarray
    number: np.ndarray
    score: np.ndarray
    correct: np.ndarray
    error: float


def calibration(matched: Matched, bins: int = 10) -> Calibration:
    """Compare scores and precision of the detections that are not ignored, at the IoU of `matched`."""
    found, _, _, verdict, _ = matched
    edges = np.arange(bins + 1) / bins
    scores = found.scores[verdict.counted]
    place = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, bins - 1)
    number = np.bincount(place, minlength=bins)
    total = np.where(number > 0, number, np.nan)
    score = np.bincount(place, scores, bins) / total
    correct = np.bincount(place, verdict.correct[verdict.counted], bins) / total
    apart = np.abs(score - correct)[number > 0]
    error = float((apart * number[number > 0]).sum() / number.sum()) if number.any() else float("nan")
    return Calibration(edges, number, score, correct, error)
