"""Non-maximum suppression (NMS): of overlapping boxes of one class, the highest-scoring one is kept."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms
from torchvision.ops import nms as agnostic_nms

from nets.common.structures import Candidates

# Highest-scoring candidates that enter NMS: limits the time, and changed no digit of AP on COCO images.
MAX_CANDIDATES = 1000
CANDIDATES_PER_DETECTION = 3  # at least, where so many detections are wanted that it is more


class NMSResult(NamedTuple):
    """The detections that NMS keeps on one image, highest score first.

    boxes [N, 4] xyxy in pixels of the network input, scores [N], labels [N]; best_score and best_label belong
    to the highest-scoring candidate, whether or not it reached the confidence threshold.

    limited  whether detections, or candidates for them, were left out because there were too many
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    best_score: float
    best_label: int
    limited: bool = False


def max_candidates(max_detections: int) -> int:
    """Return how many candidates of an image, the highest-scoring ones, enter NMS."""
    return max(MAX_CANDIDATES, CANDIDATES_PER_DETECTION * max_detections)


def nms(
    candidates: Candidates, confidence: float, iou: float, max_detections: int, agnostic: bool = False
) -> list[NMSResult]:
    """Apply NMS to each image: keep scores of at least `confidence`, suppress overlaps of IoU above `iou`.

    Each box gets only its highest-scoring class. Boxes of different classes do not suppress each other unless
    `agnostic`. ValueError if a threshold is not in 0..1.
    """
    for flag, value in (("--confidence", confidence), ("--nms-iou", iou)):
        if not 0 <= value <= 1:
            raise ValueError(f"{flag} is between 0 and 1, not {value}")
    best = candidates.scores.amax(dim=-1)  # classes are computed below, for the few boxes left
    return [
        _suppress(boxes, scores, highest, confidence, iou, max_detections, agnostic)
        for boxes, scores, highest in zip(candidates.boxes, candidates.scores, best, strict=True)
    ]


def _suppress(
    boxes: Tensor,
    scores: Tensor,
    best: Tensor,
    confidence: float,
    iou: float,
    max_detections: int,
    agnostic: bool,
) -> NMSResult:
    reached = (best >= confidence).nonzero().squeeze(1)
    # A stable sort breaks ties in the same way on every machine, so metrics are the same too.
    order = torch.argsort(best[reached], descending=True, stable=True)[: max_candidates(max_detections)]
    chosen = reached[order]
    values, labels = scores[chosen].max(dim=-1)
    boxes = boxes[chosen].float()
    best_score, best_label = _best(scores, best)
    keep = suppress(boxes, values, labels, iou, agnostic)
    limited = len(keep) > max_detections or len(reached) > len(order)
    keep = keep[:max_detections]
    return NMSResult(boxes[keep], values[keep], labels[keep], best_score, best_label, limited)


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, iou: float, agnostic: bool) -> Tensor:
    """Return the indices of the boxes [N, 4] that NMS keeps, int64 [K], highest score first.

    Boxes of different classes do not suppress each other unless `agnostic`.
    """
    if agnostic:
        return agnostic_nms(boxes, scores, iou)
    # batched_nms shifts each class by the largest coordinate, which needs coordinates of at least 0.
    from_zero = boxes - boxes.min() if len(boxes) else boxes
    return batched_nms(from_zero, scores, labels, iou)


def _best(scores: Tensor, best: Tensor) -> tuple[float, int]:
    """Return score and class of the highest-scoring candidate; -1 for both if there is none."""
    if not len(best):
        return -1.0, -1
    top = best.argmax()
    return float(best[top]), int(scores[top].argmax())
