"""Task-aligned label assignment: objects go to the cells that predict both their class and their box best.

TOOD: https://arxiv.org/abs/2108.07755 (section 3.3), for the whole batch at once.

The candidates of an object are the cells whose centre lies in its box. Their alignment metric is score^.5 *
IoU^6. Its logarithm is computed, since for a small object in an untrained network's large boxes the power is
below 1e-14 and would be lost in the division by the highest.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou
from nets.common.structures import Targets

TOP_K = 10  # cells that an object claims
SCORE_POWER, IOU_POWER = 0.5, 6.0
EXCLUDED_ALIGNMENT = -1e8  # of cells that are not candidates


class AlignedCells(NamedTuple):
    """The assignment of each of A cells.

    positive  bool [B, A], whether the cell is assigned to an object
    target    int64 [B, A], index of the object in its image; 0 where not positive
    score     float32 [B, A], target score of the object's class; 0 where not positive
    """

    positive: Tensor
    target: Tensor
    score: Tensor


@torch.no_grad()
def align_tasks(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, targets: Targets
) -> AlignedCells:
    """Assign to each object the 10 candidates of highest alignment; a cell of several goes to the best IoU.

    boxes    [B, A, 4], predicted, xyxy in input pixels
    classes  [B, A, C] logits
    centres  [A, 2], of the cells, in input pixels
    finest   the smallest stride

    A cell's target score is its alignment divided by the object's highest, times the object's highest IoU.
    """
    alignment, iou, cell = _best_cells(boxes, classes, centres, finest, targets)  # [B, M, K] each
    positive, target, won = resolve_conflicts(iou, alignment > EXCLUDED_ALIGNMENT, cell, boxes.shape[1])
    best = torch.where(won, alignment, EXCLUDED_ALIGNMENT).amax(dim=-1, keepdim=True)
    best_iou = (iou * won).amax(dim=-1, keepdim=True)
    score = torch.where(won, (alignment - best).exp() * best_iou, 0.0)
    scores = boxes.new_zeros(target.shape).scatter_reduce(1, cell.flatten(1), score.flatten(1), "amax")
    return AlignedCells(positive, target, scores)


def _best_cells(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, targets: Targets
) -> tuple[Tensor, Tensor, Tensor]:
    """Return alignment, IoU and index of the best cells of each object, [B, M, K] each.

    A few objects at a time: tensors of all objects by all cells would take gigabytes on large batches.
    """
    found = []
    for objects in zip(*(t.split(OBJECTS_AT_ONCE, dim=1) for t in targets), strict=True):
        alignment, iou = _align(boxes, classes, centres, finest, Targets(*objects))
        best, cell = alignment.topk(min(TOP_K, alignment.shape[-1]), dim=-1)
        found.append((best, iou.gather(-1, cell), cell))
    alignments, ious, cells = (torch.cat(parts, dim=1) for parts in zip(*found, strict=True))
    return alignments, ious, cells


def _align(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, objects: Targets
) -> tuple[Tensor, Tensor]:
    """Return log alignment and IoU of each object with each cell, [B, M, A] each."""
    iou = aligned_iou(boxes.unsqueeze(1), objects.boxes.unsqueeze(2))
    labels = objects.labels.unsqueeze(-1).expand_as(iou)
    score = F.logsigmoid(classes.transpose(1, 2).gather(1, labels))
    alignment = SCORE_POWER * score + IOU_POWER * iou.clamp(min=1e-9).log()
    return torch.where(cells_in_boxes(centres, finest, objects), alignment, EXCLUDED_ALIGNMENT), iou


def cells_in_boxes(centres: Tensor, finest: int, objects: Targets) -> Tensor:
    """Return which cells' centres [A, 2] lie in which object's box, bool [B, M, A].

    An object narrower than the finest cell may contain no centre: it is enlarged to the width of one cell,
    which always contains one. Enlarging small objects is the idea of STAL, https://arxiv.org/abs/2601.12882.
    """
    corner1, corner2 = objects.boxes.unsqueeze(2).chunk(2, dim=-1)  # [B, M, 1, 2]
    reach = (corner2 - corner1).clamp(min=finest) / 2
    inside = ((centres - (corner1 + corner2) / 2).abs() <= reach).all(dim=-1)
    return inside & objects.valid.unsqueeze(-1)
