"""Non-maximum suppression: of boxes of one class that overlap, the best remains. The only one here."""

from typing import NamedTuple

import torch
from torch import Tensor
from torchvision.ops import batched_nms

from nets.structures import Decoded

MOST_CANDIDATES = (
    1000  # by score, before suppression: bounds its time, and changed no AP digit on COCO images
)


class Kept(NamedTuple):
    """What remains on one image, best first.

    boxes [N, 4] xyxy in pixels of the network input, scores [N], labels [N]; best_score and best_label are
    of the best candidate, whether or not it reached the threshold.
    """

    boxes: Tensor
    scores: Tensor
    labels: Tensor
    best_score: float
    best_label: int


def nms(decoded: Decoded, confidence: float, iou: float, max_detections: int) -> list[Kept]:
    """Keep, image by image, boxes of at least `confidence` that overlap no better box by more than `iou`.

    Every box counts for its best class alone. Raises ValueError where a threshold is not in 0..1.
    """
    for flag, value in (("--confidence", confidence), ("--nms-iou", iou)):
        if not 0 <= value <= 1:
            raise ValueError(f"{flag} is between 0 and 1, not {value}")
    best, labels = decoded.scores.max(dim=-1)
    return [
        _suppress(boxes, scores, classes, confidence, iou, max_detections)
        for boxes, scores, classes in zip(decoded.boxes, best, labels, strict=True)
    ]


def _suppress(
    boxes: Tensor, scores: Tensor, labels: Tensor, confidence: float, iou: float, max_detections: int
) -> Kept:
    # A stable order makes ties, and so the figures, the same on every machine.
    order = torch.argsort(scores, descending=True, stable=True)[:MOST_CANDIDATES]
    scores, labels, boxes = scores[order], labels[order], boxes[order]
    best_score, best_label = float(scores[0]), int(labels[0])
    reached = int((scores >= confidence).sum())
    scores, labels, boxes = scores[:reached], labels[:reached], boxes[:reached].float()
    # batched_nms moves classes apart by the largest coordinate: that takes coordinates from 0 on.
    from_zero = boxes - boxes.min() if reached else boxes
    keep = batched_nms(from_zero, scores, labels, iou)[:max_detections]
    return Kept(boxes[keep], scores[keep], labels[keep], best_score, best_label)
