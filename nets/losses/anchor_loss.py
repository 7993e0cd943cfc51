"""The losses of YOLOv3 and YOLOv4, with label assignment by anchor size.

YOLOv3: https://arxiv.org/abs/1804.02767; several anchors per object: YOLOv4, https://arxiv.org/abs/2004.10934
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou, gather_rows
from nets.common.structures import Targets
from nets.heads.anchor_head import AnchorRaw, decode_anchor_boxes
from nets.losses.common import LossSettings, binary_loss, class_losses, reduce_mean_count
from nets.losses.iou_losses import BOX_LOSSES

ANCHOR_BOX_WEIGHT = 5.0
MIN_SIZE_IOU = 0.213  # anchors with a higher IoU with the object, centres aligned, are also positive
MAX_LOG_SIZE = 4.0  # no object is over e^4 = 55 times larger or smaller than its anchor
IGNORE_IOU = 0.7  # no objectness loss for negative samples whose box has a higher IoU with an object


class AnchorAssignment(NamedTuple):
    """The label assignment of A anchors per image.

    positive  bool [B, A], mask of the positive samples
    target    int64 [B, A], index of the object; 0 for negative samples
    """

    positive: Tensor
    target: Tensor


def anchor_loss(raw: AnchorRaw, targets: Targets, settings: LossSettings) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive samples in the batch.

    Masked sums over the whole batch: no loop over images, no device sync, and no NaN without objects.
    """
    boxes = decode_anchor_boxes(raw)
    found = assign_anchors(raw, targets)
    target_boxes = gather_rows(targets.boxes, found.target)  # [B, A, 4]
    positive = found.positive.float()
    number = reduce_mean_count(positive.sum())

    box_loss = BOX_LOSSES[settings.box_loss or "ciou"](boxes, target_boxes) + runaway_penalty(raw.boxes)
    counted = (found.positive | (best_iou(boxes, targets) < IGNORE_IOU)).float()
    objectness_loss = binary_loss(raw.objectness, positive, settings.focal)
    labels = targets.labels.gather(1, found.target)
    class_targets = F.one_hot(labels, raw.classes.shape[-1]).float()
    class_loss = class_losses(raw.classes, class_targets, labels, settings)
    return {
        "box": ANCHOR_BOX_WEIGHT * (box_loss * positive).sum() / number,
        "objectness": (objectness_loss * counted).sum() / number,
        "class": (class_loss * positive).sum() / number,
    }


def runaway_penalty(codes: Tensor) -> Tensor:
    """Return a penalty [B, A] for log sizes in codes [B, A, 4] beyond those of any object.

    The IoU of a box a hundred times larger or smaller than its anchor has almost no gradient: without the
    penalty, a box that becomes so large or small in an early step stays so.
    """
    return (codes[..., 2:].abs() - MAX_LOG_SIZE).clamp(min=0).sum(dim=-1)


@torch.no_grad()
def assign_anchors(raw: AnchorRaw, targets: Targets) -> AnchorAssignment:
    """Assign to each object the best anchor by size, in the cell at its centre, and all others that fit well.

    An anchor claimed by several objects goes to the object with the highest IoU of sizes, the first on ties.
    """
    iou, anchor = _anchors_at_centres(raw, targets)  # [B, M, anchors of all levels]
    best = F.one_hot(iou.argmax(dim=-1), iou.shape[-1]).bool()
    chosen = (best | (iou > MIN_SIZE_IOU)) & targets.valid.unsqueeze(-1)
    positive, target, _ = resolve_conflicts(iou, chosen, anchor, raw.boxes.shape[1])
    return AnchorAssignment(positive, target)


def _anchors_at_centres(raw: AnchorRaw, targets: Targets) -> tuple[Tensor, Tensor]:
    """Return the IoU of each object's size with each anchor size per level, and the anchor's index.

    [B, M, K] each. The anchor is the one in the cell that contains the object's centre.
    """
    corner, size = targets.boxes[..., :2], targets.boxes[..., 2:] - targets.boxes[..., :2]
    centre = corner + size / 2
    ious, indices, first = [], [], 0
    step = torch.arange(raw.per_cell, device=centre.device)
    for rows, columns, stride in raw.levels:
        cell = (centre / stride).floor().long()
        column, row = cell[..., 0].clamp(0, columns - 1), cell[..., 1].clamp(0, rows - 1)
        indices.append(first + (row * columns + column).unsqueeze(-1) * raw.per_cell + step)
        sizes = raw.anchors[first : first + raw.per_cell]
        ious.append(_size_iou(size.unsqueeze(2), sizes))
        first += rows * columns * raw.per_cell
    return torch.cat(ious, dim=-1), torch.cat(indices, dim=-1)


def _size_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU [...] of boxes with the given widths and heights [..., 2] and aligned centres."""
    common = torch.minimum(first, second).prod(dim=-1)
    return common / (first.prod(dim=-1) + second.prod(dim=-1) - common + 1e-9)


@torch.no_grad()
def best_iou(boxes: Tensor, targets: Targets) -> Tensor:
    """Return the highest IoU [B, A] of each predicted box [B, A, 4] with any object of its image.

    Processes a few objects at a time: a tensor of all boxes x all objects would take gigabytes on large
    batches.
    """
    best = boxes.new_zeros(boxes.shape[:2])
    for objects in targets.boxes.split(OBJECTS_AT_ONCE, dim=1):
        iou = aligned_iou(boxes.unsqueeze(2), objects.unsqueeze(1))  # [B, A, OBJECTS_AT_ONCE]
        best = torch.maximum(best, iou.amax(dim=-1))
    return best
