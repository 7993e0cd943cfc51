"""Box arithmetic. Boxes are xyxy in pixels unless a name says otherwise."""

import torch
from torch import Tensor

OBJECTS_AT_ONCE = 16  # compared with all predictions in one step: more would take gigabytes on large batches


def centre_to_corners(centre: Tensor, size: Tensor) -> Tensor:
    """Convert centres [..., 2] and sizes [..., 2] (width, height) to boxes xyxy [..., 4]."""
    return torch.cat((centre - size / 2, centre + size / 2), dim=-1)


def sides_to_corners(points: Tensor, distances: Tensor) -> Tensor:
    """Convert points [..., 2] and distances to left, top, right and bottom side [..., 4] to boxes xyxy."""
    return torch.cat((points - distances[..., :2], points + distances[..., 2:]), dim=-1)


def side_distances(points: Tensor, boxes: Tensor) -> Tensor:
    """Return the distances from points [..., 2] to the left, top, right and bottom side of boxes [..., 4].

    [..., 4]; a side that the point lies beyond has a negative distance. Broadcasts.
    """
    return torch.cat((points - boxes[..., :2], boxes[..., 2:] - points), dim=-1)


def aligned_iou(first: Tensor, second: Tensor) -> Tensor:
    """Return the IoU of each pair of boxes: [..., 4] and [..., 4] -> [...]; broadcasts."""
    corner1 = torch.maximum(first[..., :2], second[..., :2])
    corner2 = torch.minimum(first[..., 2:], second[..., 2:])
    intersection = (corner2 - corner1).clamp(min=0).prod(dim=-1)
    union = area(first) + area(second) - intersection
    return intersection / (union + 1e-9)  # padding has no area: 0, not NaN


def area(boxes: Tensor) -> Tensor:
    """Return the areas of boxes xyxy [..., 4] in square pixels: [...]."""
    return (boxes[..., 2:] - boxes[..., :2]).prod(dim=-1)


def gather_rows(values: Tensor, index: Tensor) -> Tensor:
    """Return rows [B, A, D] of values [B, M, D] by their indices int64 [B, A]."""
    return values.gather(1, index.unsqueeze(-1).expand(-1, -1, values.shape[-1]))
