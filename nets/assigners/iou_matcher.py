"""IoU matching of anchors to objects, from which SSD and RetinaNet choose their positive samples."""

from typing import NamedTuple

import torch
from torch import Tensor

from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou, area
from nets.common.structures import Targets


class Matches(NamedTuple):
    """IoU matches between A anchors and M objects per image.

    overlap      [B, A], highest IoU of the anchor with any object; 0 without overlap
    target       int64 [B, A], index of the object with the highest IoU, the first on ties; 0 without overlap
    is_best      bool [B, A], mask of the anchors that have the highest IoU of all anchors with some object
    best_anchor  int64 [B, M], index of the object's best anchor, the first on ties; A without overlap
    """

    overlap: Tensor
    target: Tensor
    is_best: Tensor
    best_anchor: Tensor


def real_objects(targets: Targets) -> Tensor:
    """Return a mask bool [B, M] of the targets with a positive area: no padding, no degenerate boxes."""
    return targets.valid & (area(targets.boxes) > 0)


@torch.no_grad()
def match_anchors(anchors: Tensor, targets: Targets) -> Matches:
    """Match anchors xyxy [A, 4] to the objects of each image by IoU.

    Processes a few objects at a time: a tensor of all anchors x all objects would take gigabytes on large
    batches.
    """
    real = real_objects(targets)
    batch, number = real.shape[0], anchors.shape[0]
    overlap = anchors.new_zeros(batch, number)
    target = torch.zeros(batch, number, dtype=torch.int64, device=anchors.device)
    is_best = torch.zeros_like(target, dtype=torch.bool)
    best_anchors = []
    for first in range(0, real.shape[1], OBJECTS_AT_ONCE):
        some = slice(first, first + OBJECTS_AT_ONCE)
        iou = aligned_iou(targets.boxes[:, some].unsqueeze(2), anchors) * real[:, some].unsqueeze(2)
        largest, which = iou.max(dim=1)
        target = torch.where(largest > overlap, which + first, target)
        overlap = torch.maximum(largest, overlap)
        highest, anchor = iou.max(dim=2)
        is_best |= ((iou == highest.unsqueeze(2)) & (iou > 0)).any(dim=1)
        best_anchors.append(torch.where(highest > 0, anchor, number))
    return Matches(overlap, target, is_best, torch.cat(best_anchors, dim=1))
