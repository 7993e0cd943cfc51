"""The losses of DFL heads: CIoU for boxes, cross-entropy for classes, and distribution focal loss (DFL).

Task-aligned targets: https://arxiv.org/abs/2108.07755; DFL: https://arxiv.org/abs/2006.04388
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.task_aligned import AlignedCells, align_tasks
from nets.common.boxes import gather_rows, side_distances
from nets.common.structures import Targets
from nets.heads.dfl_head import BINS, DFLRaw, cell_centres, decode_dfl_boxes
from nets.losses.common import LossSettings, binary_loss, reduce_mean_count, smooth_labels, weight_by_class
from nets.losses.iou_losses import BOX_LOSSES

DFL_BOX_WEIGHT, DFL_CLASS_WEIGHT, DFL_DISTANCE_WEIGHT = 7.5, 0.5, 1.5


def dfl_loss(raw: DFLRaw, targets: Targets, settings: LossSettings) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the sum of the target scores in the batch.

    Masked sums instead of selected rows: the same value without a device sync, and no NaN without objects.
    """
    boxes = decode_dfl_boxes(raw)
    found = align_tasks(boxes, raw.classes, cell_centres(raw), raw.levels[0].stride, targets)
    target_boxes = gather_rows(targets.boxes, found.target)  # [B, A, 4]
    total = reduce_mean_count(found.score.sum())

    box_loss = BOX_LOSSES[settings.box_loss or "ciou"](boxes, target_boxes)
    class_targets = aligned_class_targets(found, targets, raw.classes, settings.label_smoothing)
    class_loss = binary_loss(raw.classes, class_targets, settings.focal).sum(dim=-1)
    labels = targets.labels.gather(1, found.target)
    positive_loss = weight_by_class(class_loss, labels, settings.class_weights)
    class_loss = torch.where(found.positive, positive_loss, class_loss)
    distance_loss = distribution_loss(raw.distances, encode_dfl_boxes(target_boxes, raw)).mean(dim=-1)
    return {
        "box": DFL_BOX_WEIGHT * (box_loss * found.score).sum() / total,
        "class": DFL_CLASS_WEIGHT * class_loss.sum() / total,
        "dfl": DFL_DISTANCE_WEIGHT * (distance_loss * found.score).sum() / total,
    }


def aligned_class_targets(found: AlignedCells, targets: Targets, classes: Tensor, smoothing: float) -> Tensor:
    """Return the target scores [B, A, C]: the cell's score for its object's class, 0 for the others."""
    labels = targets.labels.gather(1, found.target).unsqueeze(-1)
    one_hot = torch.zeros_like(classes).scatter(-1, labels, 1.0)
    return smooth_labels(one_hot, smoothing) * found.score.unsqueeze(-1)


def distribution_loss(logits: Tensor, distances: Tensor) -> Tensor:
    """Return the distribution focal loss: interpolated cross-entropy with the two bins next to each distance.

    logits [..., BINS], distances [...] between 0 and BINS - 1 -> [...]
    """
    lower = distances.floor().clamp(max=BINS - 2)
    bins = torch.stack((lower, lower + 1), dim=-1).long()
    first, second = F.log_softmax(logits, dim=-1).gather(-1, bins).unbind(dim=-1)
    return -torch.lerp(first, second, distances - lower)


def encode_dfl_boxes(boxes: Tensor, raw: DFLRaw) -> Tensor:
    """Return the distances [B, A, 4] in strides from the cells' centres to the sides of boxes xyxy [B, A, 4].

    Distances are clamped to the range of the bins.
    """
    distances = side_distances(cell_centres(raw), boxes)
    return (distances / raw.strides[:, None]).clamp(0, BINS - 1)
