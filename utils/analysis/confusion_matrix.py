"""The confusion matrix: which class objects are taken for."""

import numpy as np

from utils.evaluate.ground_truth import GroundTruth, RankedDetections
from utils.evaluate.matching import Matched, claims, overlapping_pairs


def confusion_matrix(matched: Matched, confidence: float) -> np.ndarray:
    """Objects by their class and by that of the detection that found them; int64 [C + 1, C + 1].

    Rows are the classes of objects, columns those of detections. The last row counts detections of what is no
    object, the last column objects that were not found. Detections from `confidence` on, the best first, take
    a free object of their own class that they overlap by the least overlap of `matched`, the most overlapped
    one; what is left over then takes one of another class. A row but the last sums to the objects of its
    class. What lies on a difficult object or in a crowd counts neither way.
    """
    found = matched.found.keep(matched.found.scores >= confidence)
    truth, classes = matched.truth, len(matched.truth.class_names)
    detection, obj = _matches(found, truth, matched.min_overlap)
    aside = truth.uncounted[obj]
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    np.add.at(matrix, (truth.labels[obj[~aside]], found.labels[detection[~aside]]), 1)
    objects = np.bincount(truth.labels[~truth.uncounted], minlength=classes)
    counted = np.delete(found.labels, detection[aside])
    matrix[:-1, -1] = objects - matrix[:-1, :-1].sum(1)
    matrix[-1, :-1] = np.bincount(counted, minlength=classes) - matrix[:-1, :-1].sum(0)
    return matrix


def _matches(found: RankedDetections, truth: GroundTruth, least: float) -> tuple[np.ndarray, np.ndarray]:
    """Which detection has which object."""
    pairs = overlapping_pairs(found, truth, least, any_class=True)
    detection, obj = pairs.detection, pairs.object
    overlap = np.where(truth.crowd[obj], pairs.covered, pairs.iou)
    other = found.labels[detection] != truth.labels[obj]
    aside = truth.uncounted[obj]
    by_score = np.empty(len(found.scores), np.int64)
    by_score[np.argsort(-found.scores, kind="stable")] = np.arange(len(found.scores))
    order = np.lexsort((obj, -overlap, aside, by_score[detection], other))
    order = order[overlap[order] >= least]
    detection, obj = detection[order], obj[order]
    once = np.ones(len(order), np.uint16)
    used_up = np.where(truth.uncounted[obj], 0, once).astype(np.uint16)
    match = claims(detection, obj, found.image[detection], once, used_up).astype(bool)
    return detection[match], obj[match]
