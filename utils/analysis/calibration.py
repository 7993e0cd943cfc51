"""Calibration: whether of the detections with a score of .7, 70 % are correct.

Kueppers et al., "Multivariate Confidence Calibration for Object Detection", CVPR Workshops 2020,
https://arxiv.org/abs/2004.13546, by the score alone.
"""

from typing import NamedTuple

import numpy as np

from utils.evaluate.matching import Matched


class Calibration(NamedTuple):
    """Detections in bins by their score.

    edges    float64 [B + 1], of the bins; a score on an edge belongs to the upper bin
    number   int64 [B], the number of detections
    score    float64 [B], their mean score, NaN where there are none
    correct  float64 [B], the share that is correct, NaN where there are none
    error    the expected calibration error: mean difference between share and score over all detections
    """

    edges: np.ndarray
    number: np.ndarray
    score: np.ndarray
    correct: np.ndarray
    error: float


def calibration(matched: Matched, bins: int = 10) -> Calibration:
    """Compare the scores of all counted detections with their correctness at the IoU of `matched`."""
    found, _, _, verdict, _ = matched
    edges = np.arange(bins + 1) / bins
    scores = found.scores[verdict.counted]
    place = np.clip(np.searchsorted(edges, scores, "right") - 1, 0, bins - 1)
    number = np.bincount(place, minlength=bins)
    wanted = np.where(number > 0, number, np.nan)
    score = np.bincount(place, scores, bins) / wanted
    correct = np.bincount(place, verdict.correct[verdict.counted], bins) / wanted
    apart = np.abs(score - correct)[number > 0]
    error = float((apart * number[number > 0]).sum() / number.sum()) if number.any() else float("nan")
    return Calibration(edges, number, score, correct, error)
