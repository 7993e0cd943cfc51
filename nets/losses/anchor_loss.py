"""The losses of YOLOv3 and YOLOv4, and their label assignment by anchor size.

YOLOv3: https://arxiv.org/abs/1804.02767; several anchors for an object: YOLOv4, https://arxiv.org/abs/2004.10934
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou, gather_rows
from nets.common.structures import Targets
from nets.heads.anchor_head import AnchorRaw, decode_anchor_boxes
from nets.losses.common import LossSettings, binary_loss, reduce_mean_count, smooth_labels, weight_by_class
from nets.losses.iou_losses import BOX_LOSSES

ANCHOR_BOX_WEIGHT = 5.0
MIN_SIZE_IOU = 0.213  # anchors of a higher IoU with the object, centres aligned, are positive too
MAX_LOG_SIZE = 4.0  # e^4 is 55: no object is more times larger or smaller than its anchor
IGNORE_IOU = 0.7  # negative samples whose box has a higher IoU with an object have no objectness loss


class AnchorAssignment(NamedTuple):
    """positive: bool [B, A], positive samples; target: int64 [B, A], index of the object, else 0."""

    positive: Tensor
    target: Tensor


def anchor_loss(raw: AnchorRaw, targets: Targets, settings: LossSettings) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive samples in the batch.

    Masked sums over the whole batch: no loop over images, no wait for the device, and no NaN without objects.
    """
    boxes = decode_anchor_boxes(raw)
    found = assign_anchors(raw, targets)
    wanted = gather_rows(targets.boxes, found.target)  # [B, A, 4]
    positive = found.positive.float()
    number = reduce_mean_count(positive.sum())

    box_loss = BOX_LOSSES[settings.box_loss or "ciou"](boxes, wanted) + runaway_penalty(raw.boxes)
    counted = (found.positive | (best_iou(boxes, targets) < IGNORE_IOU)).float()
    objectness_loss = binary_loss(raw.objectness, positive, settings.focal)
    labels = targets.labels.gather(1, found.target)
    wanted_classes = smooth_labels(F.one_hot(labels, raw.classes.shape[-1]).float(), settings.label_smoothing)
    class_loss = binary_loss(raw.classes, wanted_classes, settings.focal).sum(dim=-1)
    class_loss = weight_by_class(class_loss, labels, settings.class_weights)
    return {
        "box": ANCHOR_BOX_WEIGHT * (box_loss * positive).sum() / number,
        "objectness": (objectness_loss * counted).sum() / number,
        "class": (class_loss * positive).sum() / number,
    }


def runaway_penalty(codes: Tensor) -> Tensor:
    """Return a penalty [B, A] for the log sizes of codes [B, A, 4] beyond those of any object.

    The IoU of a box of a hundred times its anchor's size, or a hundredth, has almost no gradient: without the
    penalty, a box that an early step makes so large or small stays so.
    """
    return (codes[..., 2:].abs() - MAX_LOG_SIZE).clamp(min=0).sum(dim=-1)


@torch.no_grad()
def assign_anchors(raw: AnchorRaw, targets: Targets) -> AnchorAssignment:
    """Assign each object to the best anchor by size in the cells of its centre, and to all that fit well.

    An anchor that several objects claim goes to the one of highest IoU of sizes, the first of equals.
    """
    iou, anchor = _anchors_at_centres(raw, targets)  # [B, M, anchors of all levels]
    best = F.one_hot(iou.argmax(dim=-1), iou.shape[-1]).bool()
    chosen = (best | (iou > MIN_SIZE_IOU)) & targets.valid.unsqueeze(-1)
    positive, target, _ = resolve_conflicts(iou, chosen, anchor, raw.boxes.shape[1])
    return AnchorAssignment(positive, target)


def _anchors_at_centres(raw: AnchorRaw, targets: Targets) -> tuple[Tensor, Tensor]:
    """Return the IoU of sizes of each object with each anchor size of each level, and the anchor's index.

    The anchor is the one in the cell that contains the object's centre. [B, M, K] each.
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
    """Return the IoU [...] of boxes of these widths and heights [..., 2] with aligned centres."""
    common = torch.minimum(first, second).prod(dim=-1)
    return common / (first.prod(dim=-1) + second.prod(dim=-1) - common + 1e-9)


@torch.no_grad()
def best_iou(boxes: Tensor, targets: Targets) -> Tensor:
    """Return the highest IoU [B, A] of each predicted box [B, A, 4] with any object of its image.

    A few objects at a time: a tensor of all boxes by all objects would take gigabytes on large batches.
    """
    best = boxes.new_zeros(boxes.shape[:2])
    for objects in targets.boxes.split(OBJECTS_AT_ONCE, dim=1):
        iou = aligned_iou(boxes.unsqueeze(2), objects.unsqueeze(1))  # [B, A, OBJECTS_AT_ONCE]
        best = torch.maximum(best, iou.amax(dim=-1))
    return best
