"""Differences between the detections of two detectors on the same images, in pixels and scores."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.common.structures import Candidates
from nets.common.topk import clip_to_input
from utils.data.types import Size
from utils.inference.nms import NMSResult, nms

DETECTIONS_COMPARED = 100  # per image, the highest-scoring ones
CONFIDENCE, NMS_IOU = 0.001, 0.5  # thresholds for the detections compared, as in evaluation


class Difference(NamedTuple):
    """The largest differences in box sides, in pixels of the network input, and in scores."""

    box: float
    score: float

    def larger(self, other: "Difference") -> "Difference":
        """Return the larger box difference and the larger score difference."""
        return Difference(max(self.box, other.box), max(self.score, other.score))

    def within(self, tolerance: "Difference") -> bool:
        """Return whether neither difference exceeds the tolerance."""
        return self.box <= tolerance.box and self.score <= tolerance.score

    def __str__(self) -> str:
        return f"{self.box:.2g} pixels and {self.score:.2g} in the score"


NO_DIFFERENCE = Difference(0.0, 0.0)


def largest_difference(
    expected: Candidates, found: Candidates, size: Size, tolerance: Difference
) -> Difference:
    """Return the largest difference between two detectors on the same batch of images of `size`.

    Each of the highest-scoring detections of one detector is compared with the nearest candidate of the
    other, in units of `tolerance`, and vice versa. So the order of candidates does not matter (some networks
    sort them by score), nor does an IoU close to the NMS threshold, where NMS may keep another box. Boxes are
    clipped to the input.
    """
    largest = NO_DIFFERENCE
    expected, found = (Candidates(clip_to_input(each.boxes, size), each.scores) for each in (expected, found))
    for one, other in ((expected, found), (found, expected)):
        kept = nms(one, CONFIDENCE, NMS_IOU, DETECTIONS_COMPARED)
        for detections, boxes, scores in zip(kept, other.boxes, other.scores, strict=True):
            largest = largest.larger(_to_nearest(detections, boxes, scores, tolerance))
    return largest


def _to_nearest(kept: NMSResult, boxes: Tensor, scores: Tensor, tolerance: Difference) -> Difference:
    """Return the largest difference of detections to the nearest candidates, boxes [A, 4], scores [A, C]."""
    if not len(kept.scores):
        return NO_DIFFERENCE
    if not len(boxes):
        return Difference(torch.inf, torch.inf)
    box_differences = torch.stack([(boxes - box).abs().amax(-1) for box in kept.boxes])  # [N, A]
    score_differences = (scores[:, kept.labels].T - kept.scores[:, None]).abs()  # [N, A]
    # Non-finite values are infinitely far away.
    box_differences = box_differences.nan_to_num(torch.inf, torch.inf)
    score_differences = score_differences.nan_to_num(torch.inf, torch.inf)
    distances = torch.maximum(box_differences / tolerance.box, score_differences / tolerance.score)
    nearest = distances.argmin(1, keepdim=True)
    return Difference(
        float(box_differences.gather(1, nearest).max()), float(score_differences.gather(1, nearest).max())
    )


class Agreement(NamedTuple):
    """The number of detections that two implementations of NMS keep, and the number that both keep."""

    number: int
    common: int

    def plus(self, other: "Agreement") -> "Agreement":
        """Return the sums of the counts."""
        return Agreement(self.number + other.number, self.common + other.common)

    @property
    def close(self) -> bool:
        """Whether both keep at least 98 %: runtimes round an IoU close to the threshold differently."""
        return self.number - self.common <= self.number / 50


def nms_agreement(ours: Sequence[NMSResult], boxes: Tensor, scores: Tensor, labels: Tensor) -> Agreement:
    """Compare our NMS with a graph's: boxes [B, K, 4], scores [B, K], labels [B, K], -1 for no detection.

    Detections are the same if labels are equal, scores differ by at most 1e-5 and box sides by at most a
    hundredth of a pixel.
    """
    total = Agreement(0, 0)
    for kept, their_boxes, their_scores, their_labels in zip(ours, boxes, scores, labels, strict=True):
        real = their_labels >= 0
        same = (
            ((kept.boxes[:, None] - their_boxes[real]).abs().amax(-1) <= 0.01)
            & ((kept.scores[:, None] - their_scores[real]).abs() <= 1e-5)
            & (kept.labels[:, None] == their_labels[real])
        )
        common = min(int(same.any(0).sum()), int(same.any(1).sum()))
        total = total.plus(Agreement(max(len(kept.scores), int(real.sum())), common))
    return total
