"""Box regression losses based on IoU, 0 for equal boxes.

Each takes predicted and target boxes xyxy [..., 4] in pixels, and returns one value for each pair, [...].
"""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from nets.common.boxes import aligned_iou, area
from nets.losses.common import BoxLoss

EPS = 1e-7


def iou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """1 - IoU. https://arxiv.org/abs/1608.01471"""
    return 1 - aligned_iou(boxes, wanted)


def giou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """1 - IoU + the share of the enclosing box that neither box covers. https://arxiv.org/abs/1902.09630"""
    iou = aligned_iou(boxes, wanted)
    union = (area(boxes) + area(wanted)) / (1 + iou)
    enclosing = _enclosing(boxes, wanted).prod(dim=-1)
    return 1 - iou + (enclosing - union) / (enclosing + EPS)


def diou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """1 - IoU + the squared distance of the centres by the squared diagonal of the enclosing box.

    https://arxiv.org/abs/1911.08287
    """
    return 1 - aligned_iou(boxes, wanted) + _distance(boxes, wanted)


def ciou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """DIoU loss + a penalty for different aspect ratios. https://arxiv.org/abs/1911.08287 (section 3.3)"""
    iou = aligned_iou(boxes, wanted)
    width, height = _sides(boxes)
    wanted_width, wanted_height = _sides(wanted)
    angle = torch.atan(wanted_width / (wanted_height + EPS)) - torch.atan(width / (height + EPS))
    difference = 4 / math.pi**2 * angle**2
    weight = (difference / (1 - iou + difference + EPS)).detach()
    return 1 - iou + _distance(boxes, wanted) + weight * difference


def siou_loss(boxes: Tensor, wanted: Tensor) -> Tensor:
    """1 - IoU + half of an angle-dependent distance of the centres and of a difference of shapes.

    https://arxiv.org/abs/2205.12740
    """
    offset = _centre(wanted) - _centre(boxes)
    length = (offset.square().sum(dim=-1) + EPS).sqrt()
    # 0 along an axis, 1 at 45 degrees: move to the nearest axis first, then along it.
    angle = torch.sin(2 * torch.asin(offset.abs().amin(dim=-1) / length))
    relative = (offset / (_enclosing(boxes, wanted) + EPS)).square()
    distance = (1 - torch.exp(-(2 - angle).unsqueeze(-1) * relative)).sum(dim=-1)
    sides, wanted_sides = boxes[..., 2:] - boxes[..., :2], wanted[..., 2:] - wanted[..., :2]
    ratio = (sides - wanted_sides).abs() / (torch.maximum(sides, wanted_sides) + EPS)
    shape = ((1 - torch.exp(-ratio)) ** 4).sum(dim=-1)
    return 1 - aligned_iou(boxes, wanted) + (distance + shape) / 2


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
    """Return widths and heights, [...] each."""
    return boxes[..., 2] - boxes[..., 0], boxes[..., 3] - boxes[..., 1]


def _enclosing(boxes: Tensor, wanted: Tensor) -> Tensor:
    """Return width and height [..., 2] of the smallest box that contains both."""
    corner1 = torch.minimum(boxes[..., :2], wanted[..., :2])
    corner2 = torch.maximum(boxes[..., 2:], wanted[..., 2:])
    return corner2 - corner1


def _distance(boxes: Tensor, wanted: Tensor) -> Tensor:
    """Return the squared distance of the centres by the squared diagonal of the enclosing box."""
    diagonal = _enclosing(boxes, wanted).square().sum(dim=-1)
    return (_centre(boxes) - _centre(wanted)).square().sum(dim=-1) / (diagonal + EPS)
