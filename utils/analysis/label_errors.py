"""Find likely label errors: where confident detections and the labels disagree.

Tkachenko, Thyagarajan and Mueller, "ObjectLab: Automated Diagnosis of Mislabeled Images in Object Detection
Data", 2023, https://arxiv.org/abs/2309.00832, look for three of these kinds: overlooked, swapped and badly
located. Check each one: a confident detector can be wrong too.
"""

from typing import Literal, NamedTuple

import numpy as np

from utils.data.boxes import iou
from utils.data.types import Boxes
from utils.evaluate.ground_truth import GroundTruth, RankedDetections
from utils.evaluate.matching import Matched, OverlappingPairs, overlapping_pairs

LabelErrorKind = Literal["missing", "class", "box", "nothing there"]
MIN_RELATED_IOU = 0.1  # below this, a detection and an object are unrelated
SAME_BOX_IOU = 0.5  # from this IoU, two boxes are of the same object
MIN_CONFIDENT_SCORE = 0.1  # detections below this are ignored
USUAL_FAULTS = (
    0.01  # usual fraction of labels with nothing there; if more are undetected, the detector missed some
)


class LabelError(NamedTuple):
    """A label that may be wrong.

    kind           "missing": no label for a detection; "class": another class was detected; "box": detected
        in another position; "nothing there": not detected at all
    image_number   index of the image
    score          confidence that the label is wrong, between 0 and 1
    label          labelled class, -1 for none
    suggested      detected class, -1 for none
    box            labelled box, xyxy pixels; None without a label
    suggested_box  detected box; None without a detection
    """

    kind: LabelErrorKind
    image_number: int
    score: float
    label: int
    suggested: int
    box: tuple[float, ...] | None
    suggested_box: tuple[float, ...] | None


class _Candidates(NamedTuple):
    """Possible label errors of one kind: detection, object (-1 for none) and score, all [K]."""

    detection: np.ndarray
    object: np.ndarray
    score: np.ndarray


def find_label_errors(matched: Matched, limit: int = 50) -> list[LabelError]:
    """Return up to `limit` labels that confident detections contradict, by descending score.

    missing  a detection has IoU < .1 with every object; score: its score
    class    a detection has IoU >= .5 with an object of another class, and with none of its own class; score:
        its score minus the best score of a detection of the object's own class there
    box      a detection has .1 <= IoU < .5 with an object of its class, and overlaps no other object; score:
        its score times (1 - IoU), minus the best score of a detection that fits the box
    nothing there  no detection of any class has IoU >= .1 with an object; score: mean score at which objects
        of its class were found, reduced if more than 1 % of the objects of the class are undetected
    """
    found = matched.found.keep(matched.found.scores >= MIN_CONFIDENT_SCORE)
    ground_truth = matched.ground_truth
    pairs = overlapping_pairs(found, ground_truth, MIN_RELATED_IOU, any_class=True)
    own = found.labels[pairs.detection] == ground_truth.labels[pairs.object]
    counted = ~ground_truth.uncounted[pairs.object]
    # Highest score of a detection that confirms each label.
    agreed = np.zeros(len(ground_truth.labels))
    fits = own & (pairs.iou >= SAME_BOX_IOU)
    np.maximum.at(agreed, pairs.object[fits], found.scores[pairs.detection[fits]])

    kinds: dict[LabelErrorKind, _Candidates] = {
        "missing": _missing(pairs, found.scores),
        "class": _other_class(pairs, own, counted, found.scores, agreed),
        "box": _other_box(pairs, own & counted, found.scores, agreed),
        "nothing there": _nothing(pairs, ground_truth, agreed),
    }
    rows = sorted(
        (-float(score), kind, int(detection), int(obj))
        for kind, candidates in kinds.items()
        for detection, obj, score in zip(*_highest_scoring(candidates, 4 * limit), strict=True)
    )
    detections, objects = np.array([row[2:] for row in rows], np.int64).reshape(-1, 2).T
    # The box that a row concerns: that of the object, or of the detection if there is no object.
    subject = np.where(objects >= 0, objects, len(ground_truth.labels) + detections)
    image_numbers = np.concatenate([ground_truth.image_numbers, found.image_numbers])[subject]
    same = _same_object(image_numbers, np.concatenate([ground_truth.boxes, found.boxes])[subject])
    label_errors: list[LabelError] = []
    kept: list[int] = []
    for number, (score, kind, detection, obj) in enumerate(rows):
        if same[number, kept].any():
            continue
        kept.append(number)
        label, box = _label_and_box(ground_truth, obj)
        suggested, suggested_box = _label_and_box(found, detection)
        image_number = int(image_numbers[number])
        label_errors.append(LabelError(kind, image_number, -score, label, suggested, box, suggested_box))
        if len(kept) == limit:
            break
    return label_errors


def _missing(pairs: OverlappingPairs, scores: np.ndarray) -> _Candidates:
    alone = np.ones(len(scores), bool)
    alone[pairs.detection] = False
    detection = np.flatnonzero(alone)
    return _Candidates(detection, np.full(len(detection), -1), scores[detection])


def _other_class(
    pairs: OverlappingPairs, own: np.ndarray, counted: np.ndarray, scores: np.ndarray, agreed: np.ndarray
) -> _Candidates:
    at_home = np.zeros(len(scores), bool)
    at_home[pairs.detection[own & (pairs.iou >= SAME_BOX_IOU)]] = True
    use = ~own & counted & (pairs.iou >= SAME_BOX_IOU) & ~at_home[pairs.detection]
    detection, obj = pairs.detection[use], pairs.object[use]
    return _Candidates(detection, obj, scores[detection] - agreed[obj])


def _other_box(
    pairs: OverlappingPairs, own: np.ndarray, scores: np.ndarray, agreed: np.ndarray
) -> _Candidates:
    neighbours = np.bincount(pairs.detection, minlength=len(scores))
    use = own & (pairs.iou < SAME_BOX_IOU) & (neighbours[pairs.detection] == 1)
    detection, obj = pairs.detection[use], pairs.object[use]
    return _Candidates(detection, obj, scores[detection] * (1 - pairs.iou[use]) - agreed[obj])


def _nothing(pairs: OverlappingPairs, ground_truth: GroundTruth, agreed: np.ndarray) -> _Candidates:
    """Return the objects without any detection, scored like the detections of their class."""
    alone = ~ground_truth.uncounted
    alone[pairs.object] = False
    objects = np.flatnonzero(alone)
    labels, total = ground_truth.labels[objects], np.bincount(ground_truth.labels[~ground_truth.uncounted])
    mean = np.bincount(ground_truth.labels, agreed * ~ground_truth.uncounted)[labels] / total[labels]
    invented = np.minimum(1, USUAL_FAULTS * total[labels] / np.bincount(labels)[labels])
    return _Candidates(np.full(len(objects), -1), objects, mean * invented)


def _highest_scoring(candidates: _Candidates, limit: int) -> _Candidates:
    """Return the `limit` highest-scoring candidates, with at most one per object."""
    order = np.argsort(-candidates.score, kind="stable")
    order = order[candidates.score[order] > 0]
    labelled = candidates.object[order] >= 0
    first = np.unique(candidates.object[order], return_index=True)[1]
    once = np.zeros(len(order), bool)
    once[first] = True
    order = order[once | ~labelled][:limit]
    return _Candidates(*(column[order] for column in candidates))


def _label_and_box(boxes: GroundTruth | RankedDetections, row: int) -> tuple[int, tuple[float, ...] | None]:
    """Return label and box of a detection or object; -1 and None for row -1."""
    return (int(boxes.labels[row]), tuple(boxes.boxes[row].tolist())) if row >= 0 else (-1, None)


def _same_object(image_numbers: np.ndarray, boxes: Boxes) -> np.ndarray:
    """Return which boxes are of the same object, in one image with IoU >= .5: bool [K, K]."""
    same = image_numbers[:, None] == image_numbers
    first, second = np.nonzero(same)
    with np.errstate(invalid="ignore"):  # two boxes without area
        same[first, second] = iou(boxes[first], boxes[second]) >= SAME_BOX_IOU
    return same
