"""Box arithmetic. Boxes are xyxy in pixels unless a name says otherwise."""

import torch
from torch import Tensor

OBJECTS_AT_ONCE = 16  # objects compared with all boxes at a time: more would take gigabytes on large batches


def centre_to_corners(centre: Tensor, size: Tensor) -> Tensor:
    """Convert centres [..., 2] and sizes [..., 2] (width, height) to boxes xyxy [..., 4]."""
    return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


def sides_to_corners(points: Tensor, distances: Tensor) -> Tensor:
    """Convert points [..., 2] and left, top, right, bottom distances [..., 4] to boxes xyxy [..., 4]."""
    return torch.cat((points - distances[..., :2], points + distances[..., 2:]), dim=-1)


def side_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Return the distances [..., 4] from points [..., 2] to the left, top, right, bottom sides of boxes.

    Boxes are xyxy [..., 4]; broadcasts. A distance is negative where the point lies beyond the side.
    """
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)


def aligned_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of corresponding boxes: [..., 4] and [..., 4] -> [...]; broadcasts."""
    corner1 = torch.maximum(first[..., :2], second[..., :2])
    corner2 = torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (corner2 - corner1).clamp(min=0).prod(dim=-1)
    union = area(first) + area(second) - intersection
    return intersection / (union + 1e-9)  # 0, not NaN, for padding, which has no area


def area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes xyxy [..., 4] in square pixels: [...]."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)


def gather_rows(values: Tensor, index: Tensor) -> Tensor:
    """Return the rows [B, A, D] of values [B, M, D] at the indices int64 [B, A]."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
