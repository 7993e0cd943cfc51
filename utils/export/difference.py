"""How far two detectors are apart, in pixels and scores, on the same images: is an export the same one?"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.common.structures import Candidates
from nets.common.topk import clip
from utils.inference.nms import NMSResult, nms

COMPARED = 100  # detections of each image, the best ones
LEAST, OVERLAP = 0.001, 0.5  # confidence and NMS of those that are compared: as in evaluation


class Difference(NamedTuple):
    """How far apart at most: sides of boxes in pixels of the network input, and scores."""

    box: float
    score: float

    def or_more(self, other: "Difference") -> "Difference":
        """The larger of each."""
        return Difference(max(self.box, other.box), max(self.score, other.score))

    def within(self, tolerance: "Difference") -> bool:
        """Whether neither is larger than allowed."""
        return self.box <= tolerance.box and self.score <= tolerance.score

    def __str__(self) -> str:
        return f"{self.box:.2g} pixels and {self.score:.2g} in the score"


NONE = Difference(0.0, 0.0)


def largest_difference(
    expected: Candidates, found: Candidates, size: tuple[int, int], tolerance: Difference
) -> Difference:
    """How far apart the detections of two detectors on the same batch of `size` (height, width) are at most.

    Each of the best detections of either has its partner among all candidates of the other: the one that is
    nearest, in parts of `tolerance`. So neither the order of candidates counts, which is by score in some
    networks, nor an overlap just on either side of a threshold, which makes NMS choose another box. Boxes are
    cut off at the border of the input, beyond which nobody sees them.
    """
    largest = NONE
    expected, found = (Candidates(clip(decoded.boxes, size), decoded.scores) for decoded in (expected, found))
    for one, other in ((expected, found), (found, expected)):
        kept = nms(one, LEAST, OVERLAP, COMPARED)
        for detections, boxes, scores in zip(kept, other.boxes, other.scores, strict=True):
            largest = largest.or_more(_to_nearest(detections, boxes, scores, tolerance))
    return largest


def _to_nearest(kept: NMSResult, boxes: Tensor, scores: Tensor, tolerance: Difference) -> Difference:
    """Of detections to candidates boxes [A, 4], scores [A, C] of the same image."""
    if not len(kept.scores):
        return NONE
    if not len(boxes):
        return Difference(torch.inf, torch.inf)
    apart = torch.stack([(boxes - box).abs().amax(-1) for box in kept.boxes])  # [N, A]
    differing = (scores[:, kept.labels].T - kept.scores[:, None]).abs()  # [N, A]
    # What is no number is as far as can be.
    apart, differing = (x.nan_to_num(torch.inf, torch.inf) for x in (apart, differing))
    nearest = torch.maximum(apart / tolerance.box, differing / tolerance.score).argmin(1, keepdim=True)
    return Difference(*(float(x.gather(1, nearest).max()) for x in (apart, differing)))


class Agreement(NamedTuple):
    """How many detections two ways of NMS have in all, and how many of them in common."""

    number: int
    common: int

    def and_of(self, other: "Agreement") -> "Agreement":
        """Both together."""
        return Agreement(self.number + other.number, self.common + other.common)

    @property
    def close(self) -> bool:
        """All but a fiftieth: runtimes round overlaps differently, and some of them lie on the threshold."""
        return self.number - self.common <= self.number / 50


def nms_agreement(ours: Sequence[NMSResult], boxes: Tensor, scores: Tensor, labels: Tensor) -> Agreement:
    """Of our NMS and that of a graph on the same candidates: boxes [B, K, 4], scores [B, K], labels [B, K].

    Common is what has a label, a score within 1e-5 and a box within a hundredth of a pixel in both.
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
        total = total.and_of(Agreement(max(len(kept.scores), int(real.sum())), common))
    return total
