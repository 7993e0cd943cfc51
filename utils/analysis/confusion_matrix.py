"""The confusion matrix of labelled and detected classes."""

import numpy as np

from utils.evaluate.ground_truth import GroundTruth, RankedDetections
from utils.evaluate.matching import Matched, claims, overlapping_pairs


def confusion_matrix(matched: Matched, confidence: float) -> np.ndarray:
    """Count objects by their class and the class of the matched detection; int64 [C + 1, C + 1].

    Rows are object classes, columns detected classes; the last row is background detected as an object, the
    last column missed objects. Detections with a score of at least `confidence`, by descending score, take
    the free object of their own class with the highest IoU, if it reaches the minimum IoU of `matched`; the
    remaining ones then take one of another class. Each row but the last sums to the number of objects of its
    class. Detections on a difficult object or in a crowd are ignored.
    """
    found = matched.found.keep(matched.found.scores >= confidence)
    ground_truth, classes = matched.ground_truth, len(matched.ground_truth.class_names)
    detection, obj = _matches(found, ground_truth, matched.min_overlap)
    aside = ground_truth.uncounted[obj]
    matrix = np.zeros((classes + 1, classes + 1), np.int64)
    np.add.at(matrix, (ground_truth.labels[obj[~aside]], found.labels[detection[~aside]]), 1)
    objects = np.bincount(ground_truth.labels[~ground_truth.uncounted], minlength=classes)
    counted = np.delete(found.labels, detection[aside])
    matrix[:-1, -1] = objects - matrix[:-1, :-1].sum(1)
    matrix[-1, :-1] = np.bincount(counted, minlength=classes) - matrix[:-1, :-1].sum(0)
    return matrix


def _matches(
    found: RankedDetections, ground_truth: GroundTruth, least: float
) -> tuple[np.ndarray, np.ndarray]:
    """Return the matched detections and objects, as two arrays of indices."""
    pairs = overlapping_pairs(found, ground_truth, least, any_class=True)
    detection, obj = pairs.detection, pairs.object
    overlap = np.where(ground_truth.crowd[obj], pairs.covered, pairs.iou)
    other = found.labels[detection] != ground_truth.labels[obj]
    aside = ground_truth.uncounted[obj]
    by_score = np.empty(len(found.scores), np.int64)
    by_score[np.argsort(-found.scores, kind="stable")] = np.arange(len(found.scores))
    order = np.lexsort((obj, -overlap, aside, by_score[detection], other))
    order = order[overlap[order] >= least]
    detection, obj = detection[order], obj[order]
    once = np.ones(len(order), np.uint16)
    used_up = np.where(ground_truth.uncounted[obj], 0, once).astype(np.uint16)
    match = claims(detection, obj, found.image_numbers[detection], once, used_up).astype(bool)
    return detection[match], obj[match]
