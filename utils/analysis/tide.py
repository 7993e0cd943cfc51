"""TIDE: the types of error a detector makes, and what each costs in average precision.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
https://arxiv.org/abs/2008.08115. Here with VOC's average precision (area) and VOC's matching.
"""

from typing import NamedTuple

import numpy as np

from utils.evaluate.average_precision import area_ap, counted_at_hits
from utils.evaluate.coco_metrics import mean_of_defined
from utils.evaluate.ground_truth import RankedDetections
from utils.evaluate.matching import (
    Matched,
    OverlappingPairs,
    Verdict,
    best_overlaps,
    found_by,
    overlapping_pairs,
)

KINDS = ("class", "localisation", "both", "duplicate", "background", "missed")
CLASS, LOCALISATION, BOTH, DUPLICATE, BACKGROUND, MISSED = range(len(KINDS))
BACKGROUND_IOU = 0.1  # IoU below which a detection is on background


class ErrorKinds(NamedTuple):
    """Errors by type, in the order of KINDS.

    ap          mean average precision (VOC area) with all errors
    number      int64 [6, C], number of errors by class of the detection, or of the missed object
    cost        float64 [6], increase of `ap` without errors of the type
    class_cost  float64 [6, C], the same per class, NaN without objects
    """

    ap: float
    number: np.ndarray
    cost: np.ndarray
    class_cost: np.ndarray


class _Fixed(NamedTuple):
    """Detections after one type of error was fixed, from which average precision is computed."""

    labels: np.ndarray
    correct: np.ndarray
    counted: np.ndarray


def error_kinds(matched: Matched) -> ErrorKinds:
    """Classify the errors at the IoU threshold T of `matched`, with detections of all scores.

    localisation  .1 <= IoU < T with an object of its class
    class         IoU >= T with an object of another class
    duplicate     IoU >= T with an object of its class that a higher-scoring detection took
    background    IoU < .1 with every object
    both          all others: .1 <= IoU < T with an object of another class
    missed        an object that no detection found, and that is not the target of a class or localisation
        error

    If several types apply to a detection, the first is used. Fixing class or localisation errors turns the
    highest-scoring error of each unmatched object into a true positive, and removes the others; fixing
    another type removes all its detections, or the missed objects.
    """
    found, ground_truth, _, verdict, _ = matched
    classes = len(ground_truth.class_names)
    objects = np.bincount(ground_truth.labels[~ground_truth.uncounted], minlength=classes)
    kind, target = _sort(matched)
    hit = found_by(matched) >= 0
    aimed = np.isin(kind, (CLASS, LOCALISATION))
    missed = ~ground_truth.uncounted & ~hit
    missed[target[aimed]] = False
    number = np.stack([np.bincount(found.labels[kind == k], minlength=classes) for k in range(MISSED)])
    number = np.concatenate([number, [np.bincount(ground_truth.labels[missed], minlength=classes)]])

    before = _average_precision(found, _Fixed(found.labels, *verdict), objects)
    after = [_average_precision(found, _fix(matched, kind, target, hit, k), objects) for k in range(MISSED)]
    left = objects - number[MISSED]
    fewer = _average_precision(found, _Fixed(found.labels, *verdict), left)
    after.append(np.where((left == 0) & (objects > 0), 1.0, fewer))  # AP 1 if all objects were missed
    cost = np.stack(after) - before
    return ErrorKinds(mean_of_defined(before), number, np.array([*map(mean_of_defined, cost)]), cost)


def _sort(matched: Matched) -> tuple[np.ndarray, np.ndarray]:
    """Return the type of error of each detection and its target object, both -1 for none."""
    found, ground_truth, _, verdict, enough = matched
    pairs = overlapping_pairs(found, ground_truth, BACKGROUND_IOU, any_class=True)
    use = ~ground_truth.uncounted[pairs.object] & (pairs.iou >= BACKGROUND_IOU)
    pairs = OverlappingPairs(*(column[use] for column in pairs))
    own = found.labels[pairs.detection] == ground_truth.labels[pairs.object]
    own_iou, own_object = best_overlaps(pairs, own, len(found.scores))
    other_iou, other_object = best_overlaps(pairs, ~own, len(found.scores))

    kind = np.full(len(found.scores), BACKGROUND)
    kind[other_iou >= BACKGROUND_IOU] = BOTH
    kind[own_iou >= enough] = DUPLICATE
    kind[other_iou >= enough] = CLASS
    kind[(own_iou >= BACKGROUND_IOU) & (own_iou < enough)] = LOCALISATION
    kind[verdict.correct | ~verdict.counted] = -1
    target = np.where(kind == CLASS, other_object, np.where(kind == LOCALISATION, own_object, -1))
    return kind, target


def _fix(matched: Matched, kind: np.ndarray, target: np.ndarray, hit: np.ndarray, fixed: int) -> _Fixed:
    """Return the detections with the errors of type `fixed` corrected."""
    found, ground_truth, _, verdict, _ = matched
    wrong = kind == fixed
    labels, correct = found.labels.copy(), verdict.correct.copy()
    counted = verdict.counted & ~wrong
    if fixed in (CLASS, LOCALISATION):
        aimed = np.flatnonzero(wrong)
        aimed = aimed[~hit[target[aimed]]]
        aimed = aimed[np.argsort(-found.scores[aimed], kind="stable")]
        best = aimed[np.unique(target[aimed], return_index=True)[1]]  # highest-scoring per object
        labels[best] = ground_truth.labels[target[best]]
        correct[best] = counted[best] = True
    return _Fixed(labels, correct, counted)


def _average_precision(found: RankedDetections, fixed: _Fixed, objects: np.ndarray) -> np.ndarray:
    """Return average precision (VOC area) per class, float64 [C]."""
    labels, correct, counted = fixed
    if not np.array_equal(labels, found.labels):  # sort only if labels changed: sorting is slow
        order = np.lexsort((-found.scores, labels))
        labels, correct, counted = labels[order], correct[order], counted[order]
    starts = np.searchsorted(labels, np.arange(len(objects) + 1))
    return area_ap(counted_at_hits(Verdict(correct, counted), starts), objects)
