"""The losses of YOLOX: boxes by IoU, objectness and classes by binary cross-entropy, sizes by L1.

YOLOX: https://arxiv.org/abs/2107.08430
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.boxes import aligned_iou
from nets.simota import Assignment, simota
from nets.structures import Targets
from nets.yolox_head import YOLOXRaw, decode_boxes

BOX_WEIGHT = 5.0


def yolox_loss(raw: YOLOXRaw, targets: Targets) -> dict[str, Tensor]:
    """Losses by component; their sum is what to minimise. Each is divided by the number of positive cells.

    Masked sums rather than selected rows: the same value, but no wait for the device, and no NaN where
    the batch holds no object.
    """
    boxes = decode_boxes(raw)
    found = simota(boxes, raw.objectness, raw.classes, raw.levels, targets)
    wanted = _gather(targets.boxes, found.target)  # [B, A, 4]
    positive = found.positive.float()
    number = positive.sum().clamp(min=1)

    iou_loss = 1 - aligned_iou(boxes, wanted) ** 2
    l1_loss = F.l1_loss(raw.boxes, encode_boxes(wanted, raw), reduction="none").sum(dim=-1)
    objectness_loss = F.binary_cross_entropy_with_logits(raw.objectness, positive, reduction="sum")
    class_loss = F.binary_cross_entropy_with_logits(
        raw.classes, class_targets(found, targets, raw.classes.shape[-1]), reduction="none"
    ).sum(dim=-1)
    return {
        "box": BOX_WEIGHT * (iou_loss * positive).sum() / number,
        "objectness": objectness_loss / number,
        "class": (class_loss * positive).sum() / number,
        "l1": (l1_loss * positive).sum() / number,
    }


def class_targets(found: Assignment, targets: Targets, num_classes: int) -> Tensor:
    """One-hot classes weighted by IoU, so that a score tells how well the box fits. [B, A, C]"""
    labels = targets.labels.gather(1, found.target)
    return F.one_hot(labels, num_classes) * found.iou.unsqueeze(-1)


def encode_boxes(boxes: Tensor, raw: YOLOXRaw) -> Tensor:
    """What the head should have returned for boxes xyxy [B, A, 4]: the inverse of `decode_boxes`."""
    strides = raw.strides[:, None]
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 / strides - raw.cells
    size = (boxes[..., 2:] - boxes[..., :2]) / strides
    return torch.cat((centre, (size + 1e-8).log()), dim=-1)


def _gather(values: Tensor, index: Tensor) -> Tensor:
    """Values [B, M, D] at [B, A] -> [B, A, D]."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
