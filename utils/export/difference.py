"""How far apart the detections of two detectors are on the same images, in pixels and scores."""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.common.structures import Candidates
from nets.common.topk import clip_to_input
from utils.data.types import Size
from utils.inference.nms import NMSResult, nms

DETECTIONS_COMPARED = 100  # of each image, the highest-scoring ones
CONFIDENCE, NMS_IOU = 0.001, 0.5  # which detections are compared: as in evaluation


class Difference(NamedTuple):
    """Largest differences of box sides, in pixels of the network input, and of scores."""

    box: float
    score: float

    def larger(self, other: "Difference") -> "Difference":
        """The larger value of each of the two."""
        return Difference(max(self.box, other.box), max(self.score, other.score))

    def within(self, tolerance: "Difference") -> bool:
        """Whether neither is larger than allowed."""
        return self.box <= tolerance.box and self.score <= tolerance.score

    def __str__(self) -> str:
        return f"{self.box:.2g} pixels and {self.score:.2g} in the score"


NO_DIFFERENCE = Difference(0.0, 0.0)


def largest_difference(
    expected: Candidates, found: Candidates, size: Size, tolerance: Difference
) -> Difference:
    """The largest difference between two detectors on the same batch of images of `size`.

    Each of the highest-scoring detections of either is compared with its nearest candidate of the other,
    measured in units of `tolerance`. So the order of candidates does not matter, which in some networks is by
    score, nor does an IoU next to the NMS threshold, which makes NMS keep another box. Boxes are clipped to
    the input.
    """
    largest = NO_DIFFERENCE
    expected, found = (Candidates(clip_to_input(each.boxes, size), each.scores) for each in (expected, found))
    for one, other in ((expected, found), (found, expected)):
        kept = nms(one, CONFIDENCE, NMS_IOU, DETECTIONS_COMPARED)
        for detections, boxes, scores in zip(kept, other.boxes, other.scores, strict=True):
            largest = largest.larger(_to_nearest(detections, boxes, scores, tolerance))
    return largest


def _to_nearest(kept: NMSResult, boxes: Tensor, scores: Tensor, tolerance: Difference) -> Difference:
    """From detections to the nearest candidates, boxes [A, 4] and scores [A, C], of the same image."""
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
    """How many detections two implementations of NMS keep, and how many of them both keep."""

    number: int
    common: int

    def plus(self, other: "Agreement") -> "Agreement":
        """The sums of both."""
        return Agreement(self.number + other.number, self.common + other.common)

    @property
    def close(self) -> bool:
        """Whether at least 98 % are the same: runtimes round an IoU next to the threshold differently."""
        return self.number - self.common <= self.number / 50


def nms_agreement(ours: Sequence[NMSResult], boxes: Tensor, scores: Tensor, labels: Tensor) -> Agreement:
    """Compare our NMS with that of a graph: boxes [B, K, 4], scores [B, K], labels [B, K], -1 for none.

    Detections are the same if the label is, the scores differ by at most 1e-5 and the boxes by at most a
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
