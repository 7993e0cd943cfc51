"""Task-aligned label assignment: each object gets the cells that predict both its class and its box best.

TOOD: https://arxiv.org/abs/2108.07755 (section 3.3), for the whole batch at once.

The candidates of an object are the cells whose centre lies in its box. Their alignment metric is score^.5 *
IoU^6. Its logarithm is computed instead: for a small object inside the large boxes of an untrained network,
the power is below 1e-14 and would be lost in the division by the highest alignment.
"""

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import OBJECTS_AT_ONCE, aligned_iou
from nets.common.structures import Targets

TOP_K = 10  # number of cells that an object claims
SCORE_POWER, IOU_POWER = 0.5, 6.0
EXCLUDED_ALIGNMENT = -1e8  # alignment of cells that are not candidates


class AlignedCells(NamedTuple):
    """The assignment of A cells per image.

    positive  bool [B, A], mask of the cells assigned to an object
    target    int64 [B, A], index of the cell's object within its image; 0 for negative cells
    score     float32 [B, A], target score for the object's class; 0 for negative cells
    """

    positive: Tensor
    target: Tensor
    score: Tensor


@torch.no_grad()
def align_tasks(
    boxes: Tensor, classes: Tensor, centres: Tensor, finest: int, targets: Targets
) -> AlignedCells:
    """Assign the 10 best-aligned candidates to each object; conflicts go to the object with the highest IoU.

    boxes    [B, A, 4], predicted boxes, xyxy in input pixels
    classes  [B, A, C] logits
    centres  [A, 2], cell centres in input pixels
    finest   smallest stride

    A cell's target score is its alignment divided by the object's highest alignment, times the object's
    highest IoU.
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
    """Return alignment, IoU and index of each object's best cells, [B, M, K] each.

    Processes a few objects at a time: tensors of all objects x all cells would take gigabytes on large
    batches.
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
    """Return the log alignment and the IoU of each object with each cell, [B, M, A] each."""
    iou = aligned_iou(boxes.unsqueeze(1), objects.boxes.unsqueeze(2))
    labels = objects.labels.unsqueeze(-1).expand_as(iou)
    score = F.logsigmoid(classes.transpose(1, 2).gather(1, labels))
    alignment = SCORE_POWER * score + IOU_POWER * iou.clamp(min=1e-9).log()
    return torch.where(cells_in_boxes(centres, finest, objects), alignment, EXCLUDED_ALIGNMENT), iou


def cells_in_boxes(centres: Tensor, finest: int, objects: Targets) -> Tensor:
    """Return a mask bool [B, M, A] of the cells whose centre [A, 2] lies in each object's box.

    An object smaller than a cell of the finest level may contain no cell centre, so its box is enlarged to
    the size of that cell. Enlarging small objects is the idea of STAL, https://arxiv.org/abs/2601.12882.
    """
    corner1, corner2 = objects.boxes.unsqueeze(2).chunk(2, dim=-1)  # [B, M, 1, 2]
    reach = (corner2 - corner1).clamp(min=finest) / 2
    inside = ((centres - (corner1 + corner2) / 2).abs() <= reach).all(dim=-1)
    return inside & objects.valid.unsqueeze(-1)
