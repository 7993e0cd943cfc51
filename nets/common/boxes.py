"""Arithmetic on boxes: xyxy in pixels unless a name says otherwise."""

import torch
from torch import Tensor

OBJECTS_AT_ONCE = 16  # compared with all boxes of a network: more would take gigabytes on large batches


def centre_to_corners(centre: Tensor, size: Tensor) -> Tensor:
    """Centres [..., 2] and sizes [..., 2] (width, height) -> boxes xyxy [..., 4]."""
    return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


def sides_to_corners(points: Tensor, distances: Tensor) -> Tensor:
    """Points [..., 2], and how far the left, top, right and bottom side are [..., 4] -> boxes xyxy."""
    return torch.cat((points - distances[..., :2], points + distances[..., 2:]), dim=-1)


def side_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """How far the left, top, right and bottom side are from a point within; negative outside. [..., 4]"""
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)


def aligned_iou(first: Tensor, second: Tensor) -> Tensor:
    """Intersection over union of each box with its partner: [..., 4] and [..., 4] -> [...]; broadcasts."""
    corner1 = torch.maximum(first[..., :2], second[..., :2])
    corner2 = torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (corner2 - corner1).clamp(min=0).prod(dim=-1)
    union = area(first) + area(second) - intersection
    return intersection / (union + 1e-9)  # padded boxes have no area: 0, not NaN


def area(boxes: Tensor) -> Tensor:
    """Areas of boxes xyxy [..., 4] in square pixels -> [...]."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)


def gather_rows(values: Tensor, index: Tensor) -> Tensor:
    """Rows of values [B, M, D] by their numbers [B, A] -> [B, A, D]."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
