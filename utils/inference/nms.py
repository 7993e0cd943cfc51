"""Non-maximum suppression: of boxes of one class that overlap, the best remains. The only one here."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms
from torchvision.ops import nms as nms_of_all

from nets.common.structures import Candidates

MOST_CANDIDATES = (
    1000  # by score, before suppression: bounds its time, and changed no AP digit on COCO images
)


class NMSResult(NamedTuple):
    """What remains on one image, best first.

    boxes [N, 4] xyxy in pixels of the network input, scores [N], labels [N]; best_score and best_label are
    of the best candidate, whether or not it reached the threshold.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    best_score: float
    best_label: int


def nms(
    decoded: Candidates, confidence: float, iou: float, max_detections: int, agnostic: bool = False
) -> list[NMSResult]:
    """Keep, image by image, boxes of at least `confidence` that overlap no better box by more than `iou`.

    Every box counts for its best class alone, and boxes of several classes may overlap unless `agnostic`.
    Raises ValueError where a threshold is not in 0..1.
    """
    for flag, value in (("--confidence", confidence), ("--nms-iou", iou)):
        if not 0 <= value <= 1:
            raise ValueError(f"{flag} is between 0 and 1, not {value}")
    best = decoded.scores.amax(dim=-1)  # their classes are asked for a few alone, below
    return [
        _suppress(boxes, scores, highest, confidence, iou, max_detections, agnostic)
        for boxes, scores, highest in zip(decoded.boxes, decoded.scores, best, strict=True)
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
    # A stable order makes ties, and so the figures, the same on every machine.
    order = torch.argsort(best[reached], descending=True, stable=True)[:MOST_CANDIDATES]
    chosen = reached[order]
    values, labels = scores[chosen].max(dim=-1)
    boxes = boxes[chosen].float()
    best_score, best_label = _best(scores, best)
    keep = suppress(boxes, values, labels, iou, agnostic)[:max_detections]
    return NMSResult(boxes[keep], values[keep], labels[keep], best_score, best_label)


def suppress(boxes: Tensor, scores: Tensor, labels: Tensor, iou: float, agnostic: bool) -> Tensor:
    """Which boxes [N, 4] stay, int64 [K], best first: no better one, of their class or any, overlaps them."""
    if agnostic:
        return nms_of_all(boxes, scores, iou)
    # batched_nms moves classes apart by the largest coordinate: that takes coordinates from 0 on.
    from_zero = boxes - boxes.min() if len(boxes) else boxes
    return batched_nms(from_zero, scores, labels, iou)


def _best(scores: Tensor, best: Tensor) -> tuple[float, int]:
    """Score and class of the best candidate; -1 where there is none."""
    if not len(best):
        return -1.0, -1
    top = best.argmax()
    return float(best[top]), int(scores[top].argmax())
