"""What a detector does wrong, and what each kind of error costs.

Bolya et al., "TIDE: A General Toolbox for Identifying Object Detection Errors", ECCV 2020,
https://arxiv.org/abs/2008.08115. Average precision is here the area of VOC, matches are VOC's.
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
LEAST_OVERLAP = 0.1  # with less, a detection is of the background


class ErrorKinds(NamedTuple):
    """Errors by kind.

    ap          the mean average precision (VOC area) that there is
    number      int64 [6, C], how many there are, by the class of the detection, or of the object missed
    cost        float64 [6], how much higher `ap` would be without them
    class_cost  float64 [6, C], the same of each class, NaN without objects
    """

    ap: float
    number: np.ndarray
    cost: np.ndarray
    class_cost: np.ndarray


class _Fixed(NamedTuple):
    """Detections after an error was put right: what average precision is counted from."""

    labels: np.ndarray
    correct: np.ndarray
    counted: np.ndarray


def error_kinds(matched: Matched) -> ErrorKinds:
    """Sort what is wrong at the overlap T of `matched`, with detections of all scores.

    localisation  overlaps an object of its class by .1 or more, but by less than T
    class         overlaps an object of another class by T or more
    duplicate     overlaps by T or more an object of its class that a better detection had found
    background    overlaps no object by .1
    both          any other: it overlaps an object of another class by .1 or more, but by less than T
    missed        an object that no detection found, nor aimed at with an error of class or localisation

    A detection that is several is the first of these. Without errors of class or localisation, the best such
    detection of an object that nothing else found would be correct, and the others would not be there;
    without those of another kind, none of them would be there, nor would objects that were missed.
    """
    found, truth, _, verdict, _ = matched
    classes = len(truth.class_names)
    objects = np.bincount(truth.labels[~truth.uncounted], minlength=classes)
    kind, target = _sort(matched)
    hit = found_by(matched) >= 0
    aimed = np.isin(kind, (CLASS, LOCALISATION))
    missed = ~truth.uncounted & ~hit
    missed[target[aimed]] = False
    number = np.stack([np.bincount(found.labels[kind == k], minlength=classes) for k in range(MISSED)])
    number = np.concatenate([number, [np.bincount(truth.labels[missed], minlength=classes)]])

    before = _average_precision(found, _Fixed(found.labels, *verdict), objects)
    after = [_average_precision(found, _fix(matched, kind, target, hit, k), objects) for k in range(MISSED)]
    left = objects - number[MISSED]
    fewer = _average_precision(found, _Fixed(found.labels, *verdict), left)
    after.append(np.where((left == 0) & (objects > 0), 1.0, fewer))  # had it none, nothing would be wrong
    cost = np.stack(after) - before
    return ErrorKinds(mean_of_defined(before), number, np.array([*map(mean_of_defined, cost)]), cost)


def _sort(matched: Matched) -> tuple[np.ndarray, np.ndarray]:
    """The kind of each detection, -1 for what is no error, and the object that it aimed at, -1 for none."""
    found, truth, _, verdict, enough = matched
    pairs = overlapping_pairs(found, truth, LEAST_OVERLAP, any_class=True)
    use = ~truth.uncounted[pairs.object] & (pairs.iou >= LEAST_OVERLAP)
    pairs = OverlappingPairs(*(column[use] for column in pairs))
    own = found.labels[pairs.detection] == truth.labels[pairs.object]
    own_iou, own_object = best_overlaps(pairs, own, len(found.scores))
    other_iou, other_object = best_overlaps(pairs, ~own, len(found.scores))

    kind = np.full(len(found.scores), BACKGROUND)
    kind[other_iou >= LEAST_OVERLAP] = BOTH
    kind[own_iou >= enough] = DUPLICATE
    kind[other_iou >= enough] = CLASS
    kind[(own_iou >= LEAST_OVERLAP) & (own_iou < enough)] = LOCALISATION
    kind[verdict.correct | ~verdict.counted] = -1
    target = np.where(kind == CLASS, other_object, np.where(kind == LOCALISATION, own_object, -1))
    return kind, target


def _fix(matched: Matched, kind: np.ndarray, target: np.ndarray, hit: np.ndarray, fixed: int) -> _Fixed:
    """The detections without the errors of kind number `fixed`."""
    found, truth, _, verdict, _ = matched
    wrong = kind == fixed
    labels, correct = found.labels.copy(), verdict.correct.copy()
    counted = verdict.counted & ~wrong
    if fixed in (CLASS, LOCALISATION):
        aimed = np.flatnonzero(wrong)
        aimed = aimed[~hit[target[aimed]]]
        aimed = aimed[np.argsort(-found.scores[aimed], kind="stable")]
        best = aimed[np.unique(target[aimed], return_index=True)[1]]  # the best-scored for each object
        labels[best] = truth.labels[target[best]]
        correct[best] = counted[best] = True
    return _Fixed(labels, correct, counted)


def _average_precision(found: RankedDetections, fixed: _Fixed, objects: np.ndarray) -> np.ndarray:
    """VOC area by class, float64 [C]."""
    labels, correct, counted = fixed
    if not np.array_equal(labels, found.labels):  # only then is the order another one: sorting takes longest
        order = np.lexsort((-found.scores, labels))
        labels, correct, counted = labels[order], correct[order], counted[order]
    starts = np.searchsorted(labels, np.arange(len(objects) + 1))
    at_hits = counted_at_hits(Verdict(correct, counted), starts)
    return np.array([area_ap(hits, int(n)) for hits, n in zip(at_hits, objects, strict=True)])
