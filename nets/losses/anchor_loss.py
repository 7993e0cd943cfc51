"""The losses of YOLOv3 and YOLOv4: which anchors should find which object, and how well they do.

YOLOv3: https://arxiv.org/abs/1804.02767; several anchors an object: YOLOv4, https://arxiv.org/abs/2004.10934
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou, gather_rows
from nets.common.structures import Targets
from nets.heads.anchor_head import AnchorRaw, decode_anchor_boxes
from nets.losses.common import LossSettings, binary_loss, reduce_mean_count, smoothed, weighted
from nets.losses.iou_losses import BOX_LOSSES

BOX_WEIGHT = 5.0
FITS = 0.213  # an anchor also takes an object that its size overlaps by more, with centres laid together
FAR = 4.0  # e^4 is 55: no object is so many times its anchor, or so small a part of it
IGNORED = 0.7  # a box that overlaps an object more is no mistake, even where another should find the object


class AnchorAssignment(NamedTuple):
    """positive bool [B, A], which anchors should find an object; target int64 [B, A], which, else 0."""

    positive: Tensor
    target: Tensor


def anchor_loss(raw: AnchorRaw, targets: Targets, settings: LossSettings) -> dict[str, Tensor]:
    """Losses by component; their sum is what to minimise. Each is divided by the number of positive anchors.

    For the whole batch at once, by masked sums: no loop over images, no wait for the device, and no NaN
    where the batch holds no object.
    """
    boxes = decode_anchor_boxes(raw)
    found = assign_anchors(raw, targets)
    wanted = gather_rows(targets.boxes, found.target)  # [B, A, 4]
    positive = found.positive.float()
    number = reduce_mean_count(positive.sum())

    box_loss = BOX_LOSSES[settings.box or "ciou"](boxes, wanted) + runaway(raw.boxes)
    counted = (found.positive | (best_overlap(boxes, targets) < IGNORED)).float()
    objectness_loss = binary_loss(raw.objectness, positive, settings.focal)
    labels = targets.labels.gather(1, found.target)
    wanted_classes = smoothed(F.one_hot(labels, raw.classes.shape[-1]).float(), settings.label_smoothing)
    class_loss = binary_loss(raw.classes, wanted_classes, settings.focal).sum(dim=-1)
    class_loss = weighted(class_loss, labels, settings.class_weights)
    return {
        "box": BOX_WEIGHT * (box_loss * positive).sum() / number,
        "objectness": (objectness_loss * counted).sum() / number,
        "class": (class_loss * positive).sum() / number,
    }


def runaway(codes: Tensor) -> Tensor:
    """How far the logarithms of a box's sides are beyond any object's. [B, A]

    A box of a hundred times its anchor's size, or a hundredth, overlaps an object hardly at all however it
    changes: without this, one that a first wild step has made so would stay so.
    """
    return (codes[..., 2:].abs() - FAR).clamp(min=0).sum(dim=-1)


@torch.no_grad()
def assign_anchors(raw: AnchorRaw, targets: Targets) -> AnchorAssignment:
    """Give each object to the anchors in the cell of its centre whose size is best, and to all that fit.

    An anchor that several objects claim takes the one that its size overlaps most, the first if equal.
    """
    overlap, anchor = _anchors_at_centres(raw, targets)  # [B, M, anchors of all levels]
    best = F.one_hot(overlap.argmax(dim=-1), overlap.shape[-1]).bool()
    chosen = (best | (overlap > FITS)) & targets.valid.unsqueeze(-1)
    positive, target, _ = resolve_conflicts(overlap, chosen, anchor, raw.boxes.shape[1])
    return AnchorAssignment(positive, target)


def _anchors_at_centres(raw: AnchorRaw, targets: Targets) -> tuple[Tensor, Tensor]:
    """For each object and each anchor size of each level: the overlap of the sizes, and the anchor's number.

    The number is that of the anchor in the cell in which the object's centre lies. [B, M, K] each.
    """
    corner, size = targets.boxes[..., :2], targets.boxes[..., 2:] - targets.boxes[..., :2]
    centre = corner + size / 2
    overlaps, numbers, first = [], [], 0
    step = torch.arange(raw.per_cell, device=centre.device)
    for rows, columns, stride in raw.levels:
        cell = (centre / stride).floor().long()
        column, row = cell[..., 0].clamp(0, columns - 1), cell[..., 1].clamp(0, rows - 1)
        numbers.append(first + (row * columns + column).unsqueeze(-1) * raw.per_cell + step)
        sizes = raw.anchors[first : first + raw.per_cell]
        overlaps.append(_size_overlap(size.unsqueeze(2), sizes))
        first += rows * columns * raw.per_cell
    return torch.cat(overlaps, dim=-1), torch.cat(numbers, dim=-1)


def _size_overlap(first: Tensor, second: Tensor) -> Tensor:
    """IoU of boxes of these widths and heights [..., 2] with their centres laid together."""
    common = torch.minimum(first, second).prod(dim=-1)
    return common / (first.prod(dim=-1) + second.prod(dim=-1) - common + 1e-9)


@torch.no_grad()
def best_overlap(boxes: Tensor, targets: Targets) -> Tensor:
    """The largest IoU of each predicted box [B, A, 4] with any object of its image. [B, A]

    A few objects at a time: a tensor of all boxes times all objects would take gigabytes on large batches.
    """
    best = boxes.new_zeros(boxes.shape[:2])
    for objects in targets.boxes.split(OBJECTS_AT_ONCE, dim=1):
        overlap = aligned_iou(boxes.unsqueeze(2), objects.unsqueeze(1))  # [B, A, OBJECTS_AT_ONCE]
        best = torch.maximum(best, overlap.amax(dim=-1))
    return best
