"""SimOTA, the label assignment of YOLOX, for the whole batch at once.

YOLOX: https://arxiv.org/abs/2107.08430 (section 2.1), a simplification of OTA,
https://arxiv.org/abs/2103.14259.

The candidates of an object are the cells whose centre lies within 1.5 strides of the object's centre: at most
3 x 3 per level. So an object has 27 candidates on three levels at every image size, and a batch needs only a
few small tensors of fixed shape: no loop over images or objects, no tensor of objects x cells, and no device
sync.
"""

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from nets.assigners.resolve_conflicts import resolve_conflicts
from nets.common.boxes import aligned_iou
from nets.common.structures import Level, Targets

MAX_CELLS_PER_OBJECT = 10  # also the number of top IoUs that are summed to get the number of cells
IOU_WEIGHT = 3.0
EXCLUDED_COST = 1e8  # cost of cells that are not candidates


class Assignment(NamedTuple):
    """P candidate pairs of a cell and an object, up to ten per object; those that `won` are the assignment.

    cell      int64 [B, P], index of the cell
    target    int64 [B, P], index of the object within its image
    won       bool [B, P], mask of the pairs whose cell is assigned to the object, at most one per cell
    iou       float32 [B, P], IoU of the cell's predicted box with the object
    positive  bool [B, A], mask of the cells assigned to any object
    """

    cell: Tensor
    target: Tensor
    won: Tensor
    iou: Tensor
    positive: Tensor


@torch.no_grad()
def simota(
    boxes: Tensor,
    objectness: Tensor,
    classes: Tensor,
    levels: Sequence[Level],
    targets: Targets,
) -> Assignment:
    """Assign the cells of lowest cost to each object.

    boxes       [B, A, 4], predicted boxes, xyxy in input pixels
    objectness  [B, A] logits
    classes     [B, A, C] logits
    levels      feature levels, in the order of the cells
    """
    cell, candidate = centre_candidates(targets, levels)  # [B, M, K] each
    cost = class_cost(objectness, classes, cell, targets.labels)
    iou = aligned_iou(_gather(boxes, cell), targets.boxes.unsqueeze(2)) * candidate
    cost = cost - IOU_WEIGHT * (iou + 1e-8).log()
    cost = torch.where(candidate, cost, EXCLUDED_COST)

    best_ious = iou.topk(min(MAX_CELLS_PER_OBJECT, iou.shape[-1]), dim=-1).values
    number = best_ious.sum(dim=-1).int().clamp(min=1)  # [B, M], number of cells per object
    cost, order = cost.topk(best_ious.shape[-1], dim=-1, largest=False)
    rank = torch.arange(cost.shape[-1], device=cost.device)
    chosen = (rank < number.unsqueeze(-1)) & (cost < EXCLUDED_COST)
    cell, iou = cell.gather(-1, order), iou.gather(-1, order)
    positive, _, won = resolve_conflicts(-cost, chosen, cell, boxes.shape[1])  # the lowest cost wins
    target = torch.arange(cell.shape[1], device=cell.device).repeat_interleave(cell.shape[2])
    return Assignment(cell.flatten(1), target.expand(len(cell), -1), won.flatten(1), iou.flatten(1), positive)


def centre_candidates(targets: Targets, levels: Sequence[Level]) -> tuple[Tensor, Tensor]:
    """Return the 3 x 3 cells around each object's centre on each level.

    Returns indices int64 [B, M, 9 * levels], and a mask of the candidates, bool of the same shape: cells that
    exist and whose centre lies within 1.5 strides of the object's centre. Indices outside the mask are
    arbitrary but valid.
    """
    centre = (targets.boxes[..., :2] + targets.boxes[..., 2:]) / 2
    step = torch.arange(-1, 2, device=centre.device)
    cells, inside = [], []
    first = 0
    for rows, columns, stride in levels:
        position = (centre / stride).unsqueeze(-1)  # [B, M, 2, 1]
        near = position.floor() + step  # [B, M, 2, 3], columns and rows
        x, y = near[..., 0, :].unsqueeze(-2), near[..., 1, :].unsqueeze(-1)
        close = (near + 0.5 - position).abs() < 1.5
        exists = (x >= 0) & (x < columns) & (y >= 0) & (y < rows)
        number = first + y.clamp(0, rows - 1) * columns + x.clamp(0, columns - 1)
        cells.append(number.long().flatten(-2))
        inside.append((exists & close[..., 0, :].unsqueeze(-2) & close[..., 1, :].unsqueeze(-1)).flatten(-2))
        first += rows * columns
    return torch.cat(cells, dim=-1), torch.cat(inside, dim=-1) & targets.valid.unsqueeze(-1)


def class_cost(objectness: Tensor, classes: Tensor, cell: Tensor, labels: Tensor) -> Tensor:
    """Return the classification cost [B, M, K] of cells int64 [B, M, K] for objects with `labels` [B, M].

    Binary cross-entropy of sqrt(class * objectness) with the object's one-hot class, summed over classes:
    computed as if all classes were absent, then corrected for the class that is present. Computed for
    candidate cells only, a tenth of all cells at 640 px and 24 objects.
    """
    objectness = _gather(objectness.unsqueeze(-1), cell).sigmoid()
    probability = (_gather(classes, cell).sigmoid() * objectness).sqrt()  # [B, M, K, C]
    absent = -(1 - probability).log().clamp(min=-100)
    label = labels[..., None, None].expand(*cell.shape, 1)
    own = probability.gather(-1, label)
    correction = absent.gather(-1, label) + own.log().clamp(min=-100)
    return (absent.sum(dim=-1, keepdim=True) - correction).squeeze(-1)


def _gather(values: Tensor, cell: Tensor) -> Tensor:
    """Return values [B, A, D] at cells [B, M, K]: [B, M, K, D]."""
    index = cell.flatten(1).unsqueeze(-1).expand(-1, -1, values.shape[-1])
    return values.gather(1, index).view(*cell.shape, values.shape[-1])
