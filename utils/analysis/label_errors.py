"""The labels most likely wrong: where a confident detection and the labels disagree.

Tkachenko, Thyagarajan and Mueller, "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection
Data", 2023, https://arxiv.org/abs/2309.00832, look for three of these kinds: overlooked, swapped and badly
located. Look at them: a detector that is confident can be wrong as well.
"""

from typing import Literal, NamedTuple

import numpy as np

from utils.data.boxes import intersection, iou
from utils.evaluate.ground_truth import GroundTruth, RankedDetections
from utils.evaluate.matching import Matched, OverlappingPairs, overlapping_pairs

LabelErrorKind = Literal["missing", "class", "box", "nothing there"]
LEAST_OVERLAP = 0.1  # with less, a detection and an object have nothing to do with each other
ENOUGH = 0.5  # from here on, a box is meant to be the same
LEAST_SCORE = 0.1  # detections below say nothing about labels
USUAL_FAULTS = 0.01  # share of labels with nothing there; where more were not detected, some were overlooked


class Suspect(NamedTuple):
    """A label that may be wrong.

    kind           "missing": nothing is labelled; "class": another was detected; "box": it lies elsewhere;
        "nothing there": nothing was detected
    image          which image
    score          between 0 and 1, how sure the detections are
    label          the class labelled, -1 where nothing is
    suggested      the class detected, -1 where nothing was
    box            what is labelled, xyxy pixels; None where nothing is
    suggested_box  what was detected; None where nothing was
    """

    kind: LabelErrorKind
    image: int
    score: float
    label: int
    suggested: int
    box: tuple[float, ...] | None
    suggested_box: tuple[float, ...] | None


class _Claims(NamedTuple):
    """Doubts of one kind: detection, object (each -1 for none) and how sure, all [K]."""

    detection: np.ndarray
    object: np.ndarray
    score: np.ndarray


def suspect_labels(matched: Matched, limit: int = 50) -> list[Suspect]:
    """Up to `limit` labels that confident detections deny, the surest first.

    missing  a detection overlaps no object of any class by .1; how sure: its score
    class    a detection overlaps an object of another class by .5, and none of its own; its score, less that
        of the best detection of the object's own class there
    box      a detection overlaps an object of its class by .1 but less than .5, and no other; its score times
        the share that does not overlap, less the score of the best detection that fits the box
    nothing there  no detection of any class overlaps an object by .1; the mean score with which objects of
        its class were found; if more than one in a hundred of the class is such, less by as much
    """
    found = matched.found.keep(matched.found.scores >= LEAST_SCORE)
    truth = matched.truth
    pairs = overlapping_pairs(found, truth, LEAST_OVERLAP, any_class=True)
    own = found.labels[pairs.detection] == truth.labels[pairs.object]
    counted = ~truth.uncounted[pairs.object]
    # How sure detections are that an object is what its label says.
    agreed = np.zeros(len(truth.labels))
    fits = own & (pairs.iou >= ENOUGH)
    np.maximum.at(agreed, pairs.object[fits], found.scores[pairs.detection[fits]])

    kinds: dict[LabelErrorKind, _Claims] = {
        "missing": _missing(pairs, found.scores),
        "class": _other_class(pairs, own, counted, found.scores, agreed),
        "box": _other_place(pairs, own & counted, found.scores, agreed),
        "nothing there": _nothing(pairs, truth, agreed),
    }
    rows = [
        (-float(score), kind, int(detection), int(obj))
        for kind, claims in kinds.items()
        for detection, obj, score in zip(*_surest(claims, 4 * limit), strict=True)
    ]
    suspects: list[Suspect] = []
    for score, kind, detection, obj in sorted(rows):
        image = int(found.image[detection] if obj < 0 else truth.image[obj])
        label, box = _label_and_box(truth, obj)
        suggested, suggested_box = _label_and_box(found, detection)
        suspect = Suspect(kind, image, -score, label, suggested, box, suggested_box)
        if not any(_same_place(suspect, other) for other in suspects):
            suspects.append(suspect)
        if len(suspects) == limit:
            break
    return suspects


def _missing(pairs: OverlappingPairs, scores: np.ndarray) -> _Claims:
    alone = np.ones(len(scores), bool)
    alone[pairs.detection] = False
    detection = np.flatnonzero(alone)
    return _Claims(detection, np.full(len(detection), -1), scores[detection])


def _other_class(
    pairs: OverlappingPairs, own: np.ndarray, counted: np.ndarray, scores: np.ndarray, agreed: np.ndarray
) -> _Claims:
    at_home = np.zeros(len(scores), bool)
    at_home[pairs.detection[own & (pairs.iou >= ENOUGH)]] = True
    use = ~own & counted & (pairs.iou >= ENOUGH) & ~at_home[pairs.detection]
    detection, obj = pairs.detection[use], pairs.object[use]
    return _Claims(detection, obj, scores[detection] - agreed[obj])


def _other_place(pairs: OverlappingPairs, own: np.ndarray, scores: np.ndarray, agreed: np.ndarray) -> _Claims:
    neighbours = np.bincount(pairs.detection, minlength=len(scores))
    use = own & (pairs.iou < ENOUGH) & (neighbours[pairs.detection] == 1)
    detection, obj = pairs.detection[use], pairs.object[use]
    return _Claims(detection, obj, scores[detection] * (1 - pairs.iou[use]) - agreed[obj])


def _nothing(pairs: OverlappingPairs, truth: GroundTruth, agreed: np.ndarray) -> _Claims:
    """Objects without any detection, as sure as a detection of their class would have been."""
    alone = ~truth.uncounted
    alone[pairs.object] = False
    objects = np.flatnonzero(alone)
    labels, total = truth.labels[objects], np.bincount(truth.labels[~truth.uncounted])
    mean = np.bincount(truth.labels, agreed * ~truth.uncounted)[labels] / total[labels]
    invented = np.minimum(1, USUAL_FAULTS * total[labels] / np.bincount(labels)[labels])
    return _Claims(np.full(len(objects), -1), objects, mean * invented)


def _surest(claims: _Claims, limit: int) -> _Claims:
    """The best of them for each object, and of those the first `limit`."""
    order = np.argsort(-claims.score, kind="stable")
    order = order[claims.score[order] > 0]
    labelled = claims.object[order] >= 0
    first = np.unique(claims.object[order], return_index=True)[1]
    once = np.zeros(len(order), bool)
    once[first] = True
    order = order[once | ~labelled][:limit]
    return _Claims(*(column[order] for column in claims))


def _label_and_box(boxes: GroundTruth | RankedDetections, row: int) -> tuple[int, tuple[float, ...] | None]:
    """Of one detection or object; -1 and None for row -1."""
    return (int(boxes.labels[row]), tuple(boxes.boxes[row].tolist())) if row >= 0 else (-1, None)


def _same_place(one: Suspect, other: Suspect) -> bool:
    """Whether two doubts are about the same thing: boxes of one image that overlap by half."""
    if one.image != other.image:
        return False
    first, second = (np.array(suspect.box or suspect.suggested_box) for suspect in (one, other))
    return bool(intersection(first, second) > 0 and iou(first, second) >= ENOUGH)
