"""The losses of FCOS: points within an object near its centre, on the level that its size belongs to.

FCOS: https://arxiv.org/abs/1904.01355; centre sampling: https://arxiv.org/abs/2006.09214
Values are those of torchvision's own loss, but for the whole batch at once, without waiting for the device.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.box_losses import giou_loss
from nets.boxes import area, gather_rows
from nets.dense_head import PointRaw, point_boxes
from nets.dense_loss import class_targets
from nets.loss_settings import binary_loss
from nets.object_matching import real_objects
from nets.structures import Targets

RADIUS = 1.5  # strides between a point and the centre of its object, at most
NEAREST, FARTHEST = 4, 8  # strides from a point to the farthest side of its object


class PointAssignment(NamedTuple):
    """positive bool [B, A], which points should find an object; target int64 [B, A], which, else 0."""

    positive: Tensor
    target: Tensor


def fcos_loss(raw: PointRaw, targets: Targets) -> dict[str, Tensor]:
    """Losses by component, divided by the number of positive points of the batch."""
    positive, target = assign_points(raw, targets)
    wanted = gather_rows(targets.boxes, target)
    number = positive.sum().clamp(min=1)

    class_loss = binary_loss(raw.classes, class_targets(raw.classes, targets, target, positive), focal=True)
    box_loss = giou_loss(point_boxes(raw), wanted)
    centreness = F.binary_cross_entropy_with_logits(
        raw.centreness, wanted_centreness(raw.points, wanted), reduction="none"
    )
    return {
        "box": (box_loss * positive).sum() / number,
        "class": class_loss.sum() / number,
        "centre": (centreness * positive).sum() / number,
    }


@torch.no_grad()
def assign_points(raw: PointRaw, targets: Targets) -> PointAssignment:
    """Give each point the smallest object that contains it, is near it, and has its level's size."""
    sides = side_distances(raw.points, targets.boxes.unsqueeze(2))  # [B, M, A, 4]
    centre = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2
    off_centre = (centre.unsqueeze(2) - raw.points).abs().amax(dim=-1)
    farthest = sides.amax(dim=-1)
    finest, coarsest = raw.strides == raw.strides[0], raw.strides == raw.strides[-1]
    fits = (
        (sides.amin(dim=-1) > 0)
        & (off_centre < RADIUS * raw.strides)
        & (farthest > torch.where(finest, 0, NEAREST * raw.strides))
        & (farthest < torch.where(coarsest, torch.inf, FARTHEST * raw.strides))
        & real_objects(targets).unsqueeze(-1)
    )
    smallest, target = torch.where(fits, area(targets.boxes).unsqueeze(-1), torch.inf).min(dim=1)
    return PointAssignment(smallest < torch.inf, target)


def wanted_centreness(points: Tensor, boxes: Tensor) -> Tensor:
    """1 for a point in the middle of its box, 0 at its sides: points [A, 2], boxes [B, A, 4] -> [B, A]."""
    left, top, right, bottom = side_distances(points, boxes).clamp(min=1e-6).unbind(dim=-1)
    across = torch.minimum(left, right) / torch.maximum(left, right)
    down = torch.minimum(top, bottom) / torch.maximum(top, bottom)
    return (across * down).sqrt()


def side_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """How far the left, top, right and bottom side are from a point within; negative outside. [..., 4]"""
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)
