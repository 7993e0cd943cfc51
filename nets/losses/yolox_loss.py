"""The losses of YOLOX: IoU and L1 for boxes, binary cross-entropy for objectness and classes.

YOLOX: https://arxiv.org/abs/2107.08430
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.simota import Assignment, simota
from nets.common.boxes import aligned_iou, gather_rows
from nets.common.structures import Targets
from nets.heads.yolox_head import YOLOXRaw, decode_yolox_boxes
from nets.losses.common import LossSettings, binary_loss, class_losses, reduce_mean_count
from nets.losses.iou_losses import BOX_LOSSES

YOLOX_BOX_WEIGHT = 5.0


def yolox_loss(raw: YOLOXRaw, targets: Targets, settings: LossSettings) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive cells in the batch.

    Masked sums over candidate cell-object pairs avoid device syncs, and NaN without objects.
    """
    boxes = decode_yolox_boxes(raw)
    found = simota(boxes, raw.objectness, raw.classes, raw.levels, targets)
    target_boxes, codes = gather_rows(targets.boxes, found.target), gather_rows(raw.boxes, found.cell)
    boxes, classes = gather_rows(boxes, found.cell), gather_rows(raw.classes, found.cell)  # [B, P, ...] each
    labels = targets.labels.gather(1, found.target)
    # The published box loss is 1 - IoU^2.
    box_loss = (
        BOX_LOSSES[settings.box_loss](boxes, target_boxes)
        if settings.box_loss
        else 1 - aligned_iou(boxes, target_boxes) ** 2
    )
    target_codes = encode_yolox_boxes(target_boxes, raw.cells[found.cell], raw.strides[found.cell])
    l1_loss = F.l1_loss(codes, target_codes, reduction="none").sum(dim=-1)
    class_targets = iou_class_targets(found, labels, classes.shape[-1])

    positive, won = found.positive.float(), found.won.float()
    number = reduce_mean_count(positive.sum())
    objectness_loss = binary_loss(raw.objectness, positive, settings.focal).sum()
    class_loss = class_losses(classes, class_targets, labels, settings)
    return {
        "box": YOLOX_BOX_WEIGHT * (box_loss * won).sum() / number,
        "objectness": objectness_loss / number,
        "class": (class_loss * won).sum() / number,
        "l1": (l1_loss * won).sum() / number,
    }


def iou_class_targets(found: Assignment, labels: Tensor, num_classes: int) -> Tensor:
    """Return one-hot classes times IoU, [B, P, C], so that scores reflect the quality of boxes."""
    return F.one_hot(labels, num_classes) * found.iou.unsqueeze(-1)


def encode_yolox_boxes(boxes: Tensor, cells: Tensor, strides: Tensor) -> Tensor:
    """Return the regression targets [..., 4] of boxes xyxy [..., 4], the inverse of `decode_yolox_boxes`.

    cells [..., 2] and strides [...] as in `YOLOXRaw`.
    """
    strides = strides.unsqueeze(-1)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2 / strides - cells
    size = (boxes[..., 2:] - boxes[..., :2]) / strides
    return torch.cat((centre, (size + 1e-8).log()), dim=-1)
