"""The first step of evaluation: which detection found which object.

VOC   Everingham et al., "The PASCAL Visual Object Classes (VOC) Challenge", IJCV 2010, and its devkit
COCO  Lin et al., "Microsoft COCO: Common Objects in Context", ECCV 2014, and its evaluation code

Only detections and objects of the same image and class can match, and only where they overlap enough.
These pairs are few, so both rules work on a list of pairs rather than on a matrix for each image.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np

from utils.data.boxes import area, intersection
from utils.evaluate.ground_truth import GroundTruth, RankedDetections, position_in_run

COCO_THRESHOLDS = np.linspace(0.5, 0.95, 10)
_ALL_THRESHOLDS = (1 << len(COCO_THRESHOLDS)) - 1
_PAIRS_AT_ONCE = 1 << 20  # bounds the memory: about 150 bytes a pair


class OverlappingPairs(NamedTuple):
    """Overlapping detections and objects of the same image, by detection and then by object.

    detection  int64 [P], which of the ranked detections
    object     int64 [P], which object of the ground truth
    iou        float64 [P], intersection over union
    covered    float64 [P], the same, but on a crowd the part of the detection that lies inside the crowd
    """

    detection: np.ndarray
    object: np.ndarray
    iou: np.ndarray
    covered: np.ndarray


class Verdict(NamedTuple):
    """What the detections turned out to be. One that counts and is not correct is a false positive.

    correct  bool [D], found an object that counts and that no better detection had found
    counted  bool [D], false for those that found something that counts neither way
    """

    correct: np.ndarray
    counted: np.ndarray


class Matched(NamedTuple):
    """Detections and objects of a data set, and which found which: what all figures are counted from.

    found        the detections in the order in which they are counted
    truth        the objects
    pairs        the overlaps of detections and objects of one class, of .5 or of `min_overlap` on, if that is
        less
    verdict      what each detection turned out to be by VOC's rule, at `min_overlap`
    min_overlap  the intersection over union that a match needs
    """

    found: RankedDetections
    truth: GroundTruth
    pairs: OverlappingPairs
    verdict: Verdict
    min_overlap: float


def overlapping_pairs(
    found: RankedDetections, truth: GroundTruth, least: float, any_class: bool = False
) -> OverlappingPairs:
    """All pairs of the same image, and of the same class unless `any_class`, that overlap by `least` or more.

    `least` is above 0.
    """
    classes = 0 if any_class else len(truth.class_names)
    key = truth.image * classes + truth.labels if classes else truth.image
    wanted = found.image * classes + found.labels if classes else found.image
    keys, number = np.unique(key, return_counts=True)
    by_key = np.argsort(key, kind="stable")
    first = np.cumsum(number) - number
    slot = np.searchsorted(keys, wanted)
    detections = np.flatnonzero(np.append(keys, -1)[slot] == wanted)
    slot = slot[detections]
    parts = [_no_pairs()]
    for start, end in _blocks(number[slot], _PAIRS_AT_ONCE):
        times = number[slot[start:end]]
        repeated_first = np.repeat(first[slot[start:end]], times)
        nth = np.arange(len(repeated_first)) - np.repeat(np.cumsum(times) - times, times)
        objects = by_key[repeated_first + nth]
        parts.append(_keep_overlapping(np.repeat(detections[start:end], times), objects, found, truth, least))
    return OverlappingPairs(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def match_voc(
    pairs: OverlappingPairs, uncounted: np.ndarray, num_detections: int, min_overlap: float
) -> Verdict:
    """VOC's rule: each detection is judged by the object it overlaps best, whether or not that is taken.

    Correct is the best-scored detection of an object; others of the same object are false positives. A
    detection of an object in `uncounted` (bool [M]: difficult or crowd) counts neither way. Of objects
    overlapped equally, the first is meant; an overlap of exactly `min_overlap` is enough.
    """
    objects = best_overlaps(pairs, pairs.iou >= min_overlap, num_detections)[1]
    detection = np.flatnonzero(objects >= 0)
    obj = objects[detection]  # by rank, so an object's first claim is its best-scored one
    first_claim = position_in_run(obj) == 0
    correct, counted = np.zeros(num_detections, bool), np.ones(num_detections, bool)
    correct[detection] = first_claim & ~uncounted[obj]
    counted[detection] = ~uncounted[obj]
    return Verdict(correct, counted)


def match_coco(
    pairs: OverlappingPairs, found: RankedDetections, ignored: np.ndarray, crowd: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """COCO's rule, for its ten thresholds at once.

    On each image and class the detections choose in the order of their scores: the free object that
    counts and that they overlap best, or else the best that is ignored; of equal ones the last. A crowd
    is never used up.

    ignored, crowd  bool [M], of the objects
    Returns (matched, matched_ignored), uint16 [D]: bit t tells of threshold t.

    A detection takes the first free object of its list of preferences. So it is enough to look at the
    pairs one by one, by detection and then by preference.
    """
    order = np.lexsort((-pairs.object, -pairs.covered, ignored[pairs.object], pairs.detection))
    ranked = pairs.detection[order]
    group = found.image[ranked] * len(found.class_starts) + found.labels[ranked]
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
    """Which pairs become matches when each, in the order given, takes what is still free on both sides.

    detection, obj  int64 [P], of the pairs
    group           int64 [P]; pairs of different groups have no detection or object in common
    reached         uint16 [P], bit t: whether the pair's overlap is enough for threshold t
    used_up         uint16 [P], bit t: whether a match uses the object up
    Returns uint16 [P]. Step k looks at the k-th pair of all groups at once.
    """
    step = position_in_run(group)
    order = np.argsort(step, kind="stable")
    detection, obj, reached, used_up = detection[order], obj[order], reached[order], used_up[order]
    matched = np.zeros(detection.max(initial=-1) + 1, np.uint16)
    taken = np.zeros(obj.max(initial=-1) + 1, np.uint16)
    match = np.zeros(len(order), np.uint16)
    for start, end in pairwise(np.cumsum(np.append(0, np.bincount(step)))):
        now = slice(start, end)  # no detection and no object occurs twice here: one pair of each group
        free = reached[now] & ~matched[detection[now]] & ~taken[obj[now]]
        matched[detection[now]] |= free
        taken[obj[now]] |= free & used_up[now]
        match[order[now]] = free
    return match


def found_by(matched: Matched) -> np.ndarray:
    """int64 [M], the correct detection of each object, by VOC's rule; -1 for none."""
    found, truth, pairs, verdict, enough = matched
    use = (pairs.iou >= enough) & verdict.correct[pairs.detection]
    _, objects = best_overlaps(pairs, use, len(found.scores))
    finder = np.full(len(truth.labels), -1)
    finder[objects[verdict.correct]] = np.flatnonzero(verdict.correct)
    return finder


def best_overlaps(
    pairs: OverlappingPairs, use: np.ndarray, num_detections: int
) -> tuple[np.ndarray, np.ndarray]:
    """The highest overlap of each detection among some of the pairs, and its object; 0 and -1 for none."""
    detection, obj, iou = pairs.detection[use], pairs.object[use], pairs.iou[use]
    order = np.lexsort((obj, -iou, detection))
    best = order[np.diff(detection[order], prepend=-1) != 0]
    highest, objects = np.zeros(num_detections), np.full(num_detections, -1)
    highest[detection[best]], objects[detection[best]] = iou[best], obj[best]
    return highest, objects


def _no_pairs() -> OverlappingPairs:
    return OverlappingPairs(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros(0), np.zeros(0))


def _blocks(sizes: np.ndarray, limit: int) -> list[tuple[int, int]]:
    """Cut a list of things of these sizes into runs of about `limit` together."""
    total = np.cumsum(sizes)
    cuts = np.searchsorted(total, np.arange(limit, total[-1] if len(total) else 0, limit), "right")
    return list(pairwise([0, *np.unique(cuts[cuts > 0]), len(sizes)]))


def _keep_overlapping(
    detection: np.ndarray, obj: np.ndarray, found: RankedDetections, truth: GroundTruth, least: float
) -> OverlappingPairs:
    """The given pairs that overlap by at least `least`."""
    for low, high in ((0, 2), (1, 3)):  # most pairs are apart along x: no need to look at the rest of them
        end = np.minimum(found.boxes[detection, high], truth.boxes[obj, high])
        touch = np.flatnonzero(end > np.maximum(found.boxes[detection, low], truth.boxes[obj, low]))
        detection, obj = detection[touch], obj[touch]
    boxes, objects = found.boxes[detection], truth.boxes[obj]
    shared, area_found = intersection(boxes, objects), area(boxes)
    iou = shared / (area_found + area(objects) - shared)
    covered = np.where(truth.crowd[obj], shared / area_found, iou)
    keep = np.maximum(iou, covered) >= least
    return OverlappingPairs(detection[keep], obj[keep], iou[keep], covered[keep])
