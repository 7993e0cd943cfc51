"""Box regression losses based on IoU; 0 for equal boxes.

Each function takes predicted and target boxes xyxy [..., 4] in pixels, and returns one value per pair, [...].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nets.common.boxes import aligned_iou, area
from nets.losses.common import BoxLoss

EPS = 1e-7


def iou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    """Return 1 - IoU. https://arxiv.org/abs/1608.01471"""
    return 1 - aligned_iou(boxes, target)


def giou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    """Return 1 - IoU + the fraction of the enclosing box that neither box covers.

    https://arxiv.org/abs/1902.09630
    """
    iou = aligned_iou(boxes, target)
    union = (area(boxes) + area(target)) / (1 + iou)
    enclosing = _enclosing(boxes, target).prod(dim=-1)
    return 1 - iou + (enclosing - union) / (enclosing + EPS)


def diou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    """Return 1 - IoU + squared centre distance / squared diagonal of the enclosing box.

    https://arxiv.org/abs/1911.08287
    """
    return 1 - aligned_iou(boxes, target) + _distance(boxes, target)


def ciou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    """Return the DIoU loss + a penalty for different aspect ratios.

    https://arxiv.org/abs/1911.08287 (section 3.3)
    """
    iou = aligned_iou(boxes, target)
    width, height = _sides(boxes)
    target_width, target_height = _sides(target)
    angle = torch.atan(target_width / (target_height + EPS)) - torch.atan(width / (height + EPS))
    difference = 4 / math.pi**2 * angle**2
    weight = (difference / (1 - iou + difference + EPS)).detach()
    return 1 - iou + _distance(boxes, target) + weight * difference


def siou_loss(boxes: Tensor, target: Tensor) -> Tensor:
    """Return 1 - IoU + the mean of an angle-dependent centre distance and a shape difference.

    https://arxiv.org/abs/2205.12740
    """
    offset = _centre(target) - _centre(boxes)
    length = (offset.square().sum(dim=-1) + EPS).sqrt()
    # 0 along an axis, 1 at 45 degrees: boxes move to the nearest axis first, then along it.
    angle = torch.sin(2 * torch.asin(offset.abs().amin(dim=-1) / length))
    relative = (offset / (_enclosing(boxes, target) + EPS)).square()
    distance = (1 - torch.exp(-(2 - angle).unsqueeze(-1) * relative)).sum(dim=-1)
    sides, target_sides = boxes[..., 2:] - boxes[..., :2], target[..., 2:] - target[..., :2]
    ratio = (sides - target_sides).abs() / (torch.maximum(sides, target_sides) + EPS)
    shape = ((1 - torch.exp(-ratio)) ** 4).sum(dim=-1)
    return 1 - aligned_iou(boxes, target) + (distance + shape) / 2


BOX_LOSSES: dict[BoxLoss, Callable[[Tensor, Tensor], Tensor]] = {
    "iou": iou_loss,
    "giou": giou_loss,
    "diou": diou_loss,
    "ciou": ciou_loss,
    "siou": siou_loss,
}


def _centre(boxes: Tensor) -> Tensor:
    return (boxes[..., :2] + boxes[..., 2:]) / 2


def _sides(boxes: Tensor) -> tuple[Tensor, Tensor]:
    """Return the widths and heights, [...] each."""
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def _enclosing(boxes: Tensor, target: Tensor) -> Tensor:
    """Return the width and height [..., 2] of the smallest box that contains both boxes."""
    corner1 = torch.minimum(boxes[..., :2], target[..., :2])
    corner2 = torch.maximum(boxes[..., 2:], target[..., 2:])
    return corner2 - corner1


def _distance(boxes: Tensor, target: Tensor) -> Tensor:
    """Return squared centre distance / squared diagonal of the enclosing box."""
    diagonal = _enclosing(boxes, target).square().sum(dim=-1)
    return (_centre(boxes) - _centre(target)).square().sum(dim=-1) / (diagonal + EPS)
