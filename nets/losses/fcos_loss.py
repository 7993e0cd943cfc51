"""The losses of FCOS; positive samples are points near an object's centre, on the level for its size.

FCOS: https://arxiv.org/abs/1904.01355; centre sampling: https://arxiv.org/abs/2006.09214
The values equal torchvision's, but are computed for the whole batch at once, without a device sync.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.iou_matcher import real_objects
from nets.common.boxes import OBJECTS_AT_ONCE, area, gather_rows, side_distances
from nets.common.structures import Targets
from nets.heads.torchvision_heads import PointRaw, point_boxes
from nets.losses.common import binary_loss, reduce_mean_count
from nets.losses.iou_losses import giou_loss
from nets.losses.ssd_retinanet_loss import binary_class_targets

CENTRE_RADIUS = 1.5  # radius of the centre sampling, in strides
RANGE_START, RANGE_END = 4, 8  # range of the distance to the farthest side of the object, in strides


class PointAssignment(NamedTuple):
    """The label assignment of A points per image.

    positive  bool [B, A], mask of the positive samples
    target    int64 [B, A], index of the object; 0 for negative samples
    """

    positive: Tensor
    target: Tensor


def fcos_loss(raw: PointRaw, targets: Targets) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive samples in the batch."""
    positive, target = assign_points(raw, targets)
    target_boxes = gather_rows(targets.boxes, target)
    number = reduce_mean_count(positive.sum())

    class_loss = binary_loss(
        raw.classes, binary_class_targets(raw.classes, targets, target, positive), focal=True
    )
    box_loss = giou_loss(point_boxes(raw), target_boxes)
    centreness = F.binary_cross_entropy_with_logits(
        raw.centreness, centreness_targets(raw.points, target_boxes), reduction="none"
    )
    return {
        "box": (box_loss * positive).sum() / number,
        "class": class_loss.sum() / number,
        "centre": (centreness * positive).sum() / number,
    }


@torch.no_grad()
def assign_points(raw: PointRaw, targets: Targets) -> PointAssignment:
    """Assign to each point the smallest object that contains it, is centred near it, and fits its level.

    Processes a few objects at a time: a tensor of all points x all objects would take gigabytes on large
    batches.
    """
    real, areas = real_objects(targets), area(targets.boxes)
    smallest = raw.points.new_full((real.shape[0], raw.points.shape[0]), torch.inf)
    target = torch.zeros_like(smallest, dtype=torch.int64)
    for first in range(0, real.shape[1], OBJECTS_AT_ONCE):
        some = slice(first, first + OBJECTS_AT_ONCE)
        fits = _fits(raw, targets.boxes[:, some].unsqueeze(2)) & real[:, some].unsqueeze(2)
        least, which = torch.where(fits, areas[:, some].unsqueeze(2), torch.inf).min(dim=1)
        target = torch.where(least < smallest, which + first, target)
        smallest = torch.minimum(least, smallest)
    return PointAssignment(smallest < torch.inf, target)


def _fits(raw: PointRaw, boxes: Tensor) -> Tensor:
    """Return a mask bool [B, M, A] of the points that may be assigned to boxes xyxy [B, M, 1, 4]."""
    sides = side_distances(raw.points, boxes)
    centre = (boxes[..., :2] + boxes[..., 2:]) / 2
    farthest = sides.amax(dim=-1)
    finest, coarsest = raw.strides == raw.strides[0], raw.strides == raw.strides[-1]
    return (
        (sides.amin(dim=-1) > 0)
        & ((centre - raw.points).abs().amax(dim=-1) < CENTRE_RADIUS * raw.strides)
        & (farthest > torch.where(finest, 0, RANGE_START * raw.strides))
        & (farthest < torch.where(coarsest, torch.inf, RANGE_END * raw.strides))
    )


def centreness_targets(points: Tensor, boxes: Tensor) -> Tensor:
    """Return the centreness [B, A] of points [A, 2] in boxes [B, A, 4]: 1 at the centre, 0 at the sides."""
    left, top, right, bottom = side_distances(points, boxes).clamp(min=1e-6).unbind(dim=-1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    down = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    return (across * down).sqrt()
