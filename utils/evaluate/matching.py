"""The first step of evaluation: match detections with ground-truth objects.

VOC   Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, and its devkit
COCO  Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code

Detections and objects match only within an image and class, and with enough IoU. Such pairs are few, so both
rules use a list of pairs instead of a matrix per image.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area, intersection
from utils.evaluate.ground_truth import GroundTruth, RankedDetections, position_in_run

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_ALL_THRESHOLDS = (1 << len(COCO_THRESHOLDS)) - 1
_PAIRS_AT_ONCE = 1 << 20  # bounds the memory: about 150 bytes per pair


class OverlappingPairs(NamedTuple):
    """Overlapping detections and objects of the same image, sorted by detection, then by object.

    detection  int64 [P], index into the ranked detections
    object     int64 [P], index into the ground truth
    iou        float64 [P], intersection over union
    covered    float64 [P], the IoU; for a crowd, the fraction of the detection inside the crowd
    """

    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    covered: np.ndarray


class Verdict(NamedTuple):
    """True positive, false positive or ignored, for each of D detections.

    correct  bool [D], true positive: highest-scoring match of an object that is not ignored
    counted  bool [D], not ignored: a true positive or, if not `correct`, a false positive
    """

    correct: np.ndarray
    counted: np.ndarray


class Matched(NamedTuple):
    """Detections matched with ground truth, from which all metrics are computed.

    found         detections, sorted by class and score
    ground_truth  objects
    pairs         detections and objects of one class with an IoU of at least .5, or `min_overlap` if lower
    verdict       true positive, false positive or ignored per detection, by VOC's rule at `min_overlap`
    min_overlap   minimum IoU of a match
    """

    found: RankedDetections
    ground_truth: GroundTruth
    pairs: OverlappingPairs
    verdict: Verdict
    min_overlap: float


def overlapping_pairs(
    found: RankedDetections, ground_truth: GroundTruth, least: float, any_class: bool = False
) -> OverlappingPairs:
    """Return all pairs of the same image, and of the same class unless `any_class`, that overlap enough.

    least  minimum IoU, above 0; for a crowd, minimum fraction of the detection inside the crowd
    """
    classes = 0 if any_class else len(ground_truth.class_names)
    object_keys, detection_keys = (
        boxes.image_numbers * classes + boxes.labels if classes else boxes.image_numbers
        for boxes in (ground_truth, found)
    )
    keys, number = np.unique(object_keys, return_counts=True)
    by_key = np.argsort(object_keys, kind="stable")
    first = np.cumsum(number) - number
    slot = np.searchsorted(keys, detection_keys)
    detections = np.flatnonzero(np.append(keys, -1)[slot] == detection_keys)
    slot = slot[detections]
    parts = [_no_pairs()]
    for start, end in _blocks(number[slot], _PAIRS_AT_ONCE):
        times = number[slot[start:end]]
        repeated_first = np.repeat(first[slot[start:end]], times)
        nth = np.arange(len(repeated_first)) - np.repeat(np.cumsum(times) - times, times)
        objects = by_key[repeated_first + nth]
        parts.append(
            _keep_overlapping(np.repeat(detections[start:end], times), objects, found, ground_truth, least)
        )
    return OverlappingPairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def match_voc(
    pairs: OverlappingPairs, uncounted: np.ndarray, num_detections: int, min_overlap: float
) -> Verdict:
    """Match by VOC's rule: each detection is assigned to the object of highest IoU, even if that is taken.

    The highest-scoring detection of an object is a true positive, further ones are false positives.
    Detections of an object in `uncounted` (bool [M]: difficult or crowd) are ignored. Of objects with equal
    IoU the first is taken; an IoU of exactly `min_overlap` is enough.
    """
    objects = best_overlaps(pairs, pairs.iou >= min_overlap, num_detections)[1]
    detection = np.flatnonzero(objects >= 0)
    obj = objects[detection]  # by descending score, so the first detection of an object has its highest score
    first_claim = position_in_run(obj) == 0
    correct, counted = np.zeros(num_detections, bool), np.ones(num_detections, bool)
    correct[detection] = first_claim & ~uncounted[obj]
    counted[detection] = ~uncounted[obj]
    return Verdict(correct, counted)


def match_coco(
    pairs: OverlappingPairs, found: RankedDetections, ignored: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Match by COCO's rule, at its ten IoU thresholds at once.

    On each image and class, by descending score, a detection takes the free object of highest IoU that is not
    ignored, else the ignored object of highest IoU; of equal ones the last. A crowd can match many times.

    ignored, crowd  bool [M], flags of the objects
    Returns (matched, matched_ignored), uint16 [D]: bit t is for threshold t.

    A detection takes the first free object in its order of preference, so one pass over the pairs, sorted by
    detection and then by preference, is enough.
    """
    order = np.lexsort((-pairs.object, -pairs.covered, ignored[pairs.object], pairs.detection))
    ranked = pairs.detection[order]
    group = found.image_numbers[ranked] * len(found.class_starts) + found.labels[ranked]
    detection, obj = pairs.detection[order], pairs.object[order]
    reached = ((1 << np.searchsorted(COCO_THRESHOLDS, pairs.covered[order], "right")) - 1).astype(np.uint16)
    used_up = np.where(crowd, 0, _ALL_THRESHOLDS).astype(np.uint16)[obj]
    match = claims(detection, obj, group, reached, used_up)
    matched, matched_ignored = np.zeros((2, len(found.scores)), np.uint16)
    np.bitwise_or.at(matched, detection, match)
    aside = ignored[obj]
    np.bitwise_or.at(matched_ignored, detection[aside], match[aside])
    return matched, matched_ignored


def claims(
    detection: np.ndarray, obj: np.ndarray, group: np.ndarray, reached: np.ndarray, used_up: np.ndarray
) -> np.ndarray:
    """Match greedily: each pair, in the given order, becomes a match if detection and object are still free.

    detection, obj  int64 [P], indices of the pairs
    group           int64 [P]; pairs of different groups have no detection or object in common
    reached         uint16 [P], bit t: the IoU of the pair reaches threshold t
    used_up         uint16 [P], bit t: a match makes the object unavailable
    Returns the matches, uint16 [P]. Step k handles the k-th pair of all groups at once.
    """
    step = position_in_run(group)
    order = np.argsort(step, kind="stable")
    detection, obj, reached, used_up = detection[order], obj[order], reached[order], used_up[order]
    matched = np.zeros(detection.max(initial=-1) + 1, np.uint16)
    taken = np.zeros(obj.max(initial=-1) + 1, np.uint16)
    match = np.zeros(len(order), np.uint16)
    for start, end in pairwise(np.cumsum(np.append(0, np.bincount(step)))):
        now = slice(start, end)  # one pair per group, so each detection and object occurs at most once
        free = reached[now] & ~matched[detection[now]] & ~taken[obj[now]]
        matched[detection[now]] |= free
        taken[obj[now]] |= free & used_up[now]
        match[order[now]] = free
    return match


def found_by(matched: Matched) -> np.ndarray:
    """Return the index of the true positive of each object by VOC's rule, int64 [M]; -1 for none."""
    found, ground_truth, pairs, verdict, enough = matched
    use = (pairs.iou >= enough) & verdict.correct[pairs.detection]
    _, objects = best_overlaps(pairs, use, len(found.scores))
    finder = np.full(len(ground_truth.labels), -1)
    finder[objects[verdict.correct]] = np.flatnonzero(verdict.correct)
    return finder


def best_overlaps(
    pairs: OverlappingPairs, use: np.ndarray, num_detections: int
) -> tuple[np.ndarray, np.ndarray]:
    """Return each detection's highest IoU in the pairs `use`, and that object's index; else 0 and -1."""
    detection, obj, iou = pairs.detection[use], pairs.object[use], pairs.iou[use]
    order = np.lexsort((obj, -iou, detection))
    best = order[np.diff(detection[order], prepend=-1) != 0]
    highest, objects = np.zeros(num_detections), np.full(num_detections, -1)
    highest[detection[best]], objects[detection[best]] = iou[best], obj[best]
    return highest, objects


def _no_pairs() -> OverlappingPairs:
    return OverlappingPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def _blocks(sizes: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Split items of these sizes into runs of about `limit` in total, as (start, end)."""
    total = np.cumsum(sizes)
    cuts = np.searchsorted(total, np.arange(limit, total[-1] if len(total) else 0, limit), "right")
    return list(pairwise([0, *np.unique(cuts[cuts > 0]), len(sizes)]))


def _keep_overlapping(
    detection: np.ndarray, obj: np.ndarray, found: RankedDetections, ground_truth: GroundTruth, least: float
) -> OverlappingPairs:
    """Keep the pairs with an IoU, or fraction inside a crowd, of at least `least`."""
    for low, high in ((0, 2), (1, 3)):  # most pairs are apart along x: skip y for them
        end = np.minimum(found.boxes[detection, high], ground_truth.boxes[obj, high])
        touch = np.flatnonzero(end > np.maximum(found.boxes[detection, low], ground_truth.boxes[obj, low]))
        detection, obj = detection[touch], obj[touch]
    boxes, objects = found.boxes[detection], ground_truth.boxes[obj]
    shared, area_found = intersection(boxes, objects), box_area(boxes)
    iou = shared / (area_found + box_area(objects) - shared)
    covered = np.where(ground_truth.crowd[obj], shared / area_found, iou)
    keep = np.maximum(iou, covered) >= least
    return OverlappingPairs(detection[keep], obj[keep], iou[keep], covered[keep])
