"""Task-aligned assignment: objects go to the cells that tell both their class and their box best.

TOOD: https://arxiv.org/abs/2108.07755 (section 3.3), for the whole batch at once.

An object's candidates are the cells whose centre lies in its box. Their alignment is score^.5 * IoU^6, of
which the logarithm is used: of a small object in a fresh network's large boxes the power itself is 1e-14 and
less, and would be lost in the division by the best one.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou
from nets.common.structures import Targets

MOST_CELLS = 10
SCORE_POWER, IOU_POWER = 0.5, 6.0
NEVER = -1e8  # the alignment of what is no candidate


class AlignedCells(NamedTuple):
    """For each cell, what it should find.

    positive  bool [B, A], whether the cell is responsible for an object
    target    int64 [B, A], which of the image's objects; 0 where not positive
    score     float32 [B, A], what the score of the object's class should be; 0 where not positive
    """

    positive: Tensor
    target: Tensor
    score: Tensor


@torch.no_grad()
def align_tasks(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, targets: Targets
) -> AlignedCells:
    """Give each object the 10 candidates that are aligned best, but for those that fit another object better.

    boxes [B, A, 4] are the predicted ones, xyxy in pixels; classes [B, A, C] are logits; centres [A, 2] are
    the cells', in pixels; `finest` is the smallest stride. The score that a cell should reach is its
    alignment by the object's best, times the object's best IoU.
    """
    alignment, iou, cell = _best_cells(boxes, classes, centres, finest, targets)  # [B, M, K] each
    positive, target, won = resolve_conflicts(iou, alignment > NEVER, cell, boxes.shape[1])
    best = torch.where(won, alignment, NEVER).amax(dim=-1, keepdim=True)
    best_iou = (iou * won).amax(dim=-1, keepdim=True)
    score = torch.where(won, (alignment - best).exp() * best_iou, 0.0)
    scores = boxes.new_zeros(target.shape).scatter_reduce(1, cell.flatten(1), score.flatten(1), "amax")
    return AlignedCells(positive, target, scores)


def _best_cells(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, targets: Targets
) -> tuple[Tensor, Tensor, Tensor]:
    """Alignment, IoU and number of the best cells of each object. [B, M, K] each

    A few objects at a time: tensors of all objects times all cells would take gigabytes on large batches.
    """
    found = []
    for objects in zip(*(t.split(OBJECTS_AT_ONCE, dim=1) for t in targets), strict=True):
        alignment, iou = _align(boxes, classes, centres, finest, Targets(*objects))
        best, cell = alignment.topk(min(MOST_CELLS, alignment.shape[-1]), dim=-1)
        found.append((best, iou.gather(-1, cell), cell))
    alignments, ious, cells = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    return alignments, ious, cells


def _align(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, objects: Targets
) -> tuple[Tensor, Tensor]:
    """Logarithm of the alignment, and IoU, of each object with each cell. [B, M, A] each"""
    iou = aligned_iou(boxes.unsqueeze(1), objects.boxes.unsqueeze(2))
    labels = objects.labels.unsqueeze(-1).expand_as(iou)
    score = F.logsigmoid(classes.transpose(1, 2).gather(1, labels))
    alignment = SCORE_POWER * score + IOU_POWER * iou.clamp(min=1e-9).log()
    return torch.where(candidates(centres, finest, objects), alignment, NEVER), iou


def candidates(centres: Tensor, finest: int, objects: Targets) -> Tensor:
    """Which cells' centres [A, 2] lie in which object's box. bool [B, M, A]

    An object narrower than the finest cell may hold no centre: it counts as one cell wide, which always
    holds one. To enlarge small objects so is the idea of STAL, https://arxiv.org/abs/2601.12882.
    """
    corner1, corner2 = objects.boxes.unsqueeze(2).chunk(2, dim=-1)  # [B, M, 1, 2]
    reach = (corner2 - corner1).clamp(min=finest) / 2
    inside = ((centres - (corner1 + corner2) / 2).abs() <= reach).all(dim=-1)
    return inside & objects.valid.unsqueeze(-1)
