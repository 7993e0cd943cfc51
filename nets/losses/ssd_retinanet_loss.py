"""The losses of SSD and RetinaNet, with label assignment by the IoU of anchors and objects.

SSD: https://arxiv.org/abs/1512.02325; RetinaNet: https://arxiv.org/abs/1708.02002
The values equal torchvision's, but are computed for the whole batch at once, without a device sync.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.iou_matcher import Matches, match_anchors
from nets.common.box_coder import UNIT_SCALES, VARIANCE_SCALES, Scales, encode_boxes
from nets.common.boxes import gather_rows
from nets.common.structures import Targets
from nets.heads.torchvision_heads import DenseRaw
from nets.losses.common import binary_loss, reduce_mean_count

POSITIVE_IOU = 0.5  # minimum IoU with an object for an anchor to be a positive sample
RETINANET_NEGATIVE_IOU = 0.4  # anchors between this IoU and POSITIVE_IOU are ignored
NEGATIVES_PER_POSITIVE = 3  # SSD's hard negative mining


def ssd_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive samples in the batch.

    Without objects all components are 0: SSD learns the background only from images with objects.
    """
    matches = match_anchors(raw.anchors, targets)
    forced = forced_objects(matches)
    positive = (matches.overlap >= POSITIVE_IOU) | (forced >= 0)
    target = torch.where(forced >= 0, forced, matches.target)
    number = reduce_mean_count(positive.sum())

    codes = _code_targets(raw, targets, target, positive, VARIANCE_SCALES)
    box_loss = F.smooth_l1_loss(raw.boxes, codes, reduction="none")
    class_targets = torch.where(positive, targets.labels.gather(1, target) + 1, 0)  # background is 0
    # Flattened: the kernel for [B, C, A] on a GPU is not deterministic.
    class_loss = F.cross_entropy(raw.classes.flatten(0, 1), class_targets.flatten(), reduction="none")
    class_loss = class_loss.view_as(class_targets)
    counted = positive | hard_negatives(class_loss, positive)
    return {
        "box": (box_loss.sum(dim=-1) * positive).sum() / number,
        "class": (class_loss * counted).sum() / number,
    }


@torch.no_grad()
def forced_objects(matches: Matches) -> Tensor:
    """Return for each anchor the index of the object whose best anchor it is, int64 [B, A]; -1 for none.

    If there are several such objects, the last.
    """
    batch, anchors = matches.overlap.shape
    objects = torch.arange(matches.best_anchor.shape[1], device=matches.target.device).expand(batch, -1)
    forced = objects.new_full((batch, anchors + 1), -1)
    return forced.scatter_reduce(1, matches.best_anchor, objects, "amax")[:, :anchors]


@torch.no_grad()
def hard_negatives(class_loss: Tensor, positive: Tensor) -> Tensor:
    """Return a mask bool [B, A] of the highest-loss negatives of each image, three per positive sample."""
    order = class_loss.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True)
    return (order.argsort(dim=1) < NEGATIVES_PER_POSITIVE * positive.sum(dim=1, keepdim=True)) & ~positive


def retinanet_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Return the components of the loss, divided by the positive samples of each image, then averaged."""
    matches = match_anchors(raw.anchors, targets)
    positive = (matches.overlap >= POSITIVE_IOU) | matches.is_best
    counted = positive | (matches.overlap < RETINANET_NEGATIVE_IOU)
    number = positive.sum(dim=1).clamp(min=1)

    codes = _code_targets(raw, targets, matches.target, positive, UNIT_SCALES)
    box_loss = F.l1_loss(raw.boxes, codes, reduction="none").sum(dim=-1)
    class_targets = binary_class_targets(raw.classes, targets, matches.target, positive)
    class_loss = binary_loss(raw.classes, class_targets, focal=True).sum(dim=-1)
    return {
        "box": ((box_loss * positive).sum(dim=1) / number).mean(),
        "class": ((class_loss * counted).sum(dim=1) / number).mean(),
    }


def binary_class_targets(classes: Tensor, targets: Targets, target: Tensor, positive: Tensor) -> Tensor:
    """Return class targets [B, A, C], as `classes`: 1 for the object's class of positive samples, else 0."""
    labels = targets.labels.gather(1, target).unsqueeze(-1)
    return torch.zeros_like(classes).scatter(2, labels, positive.unsqueeze(-1).to(classes.dtype))


def _code_targets(
    raw: DenseRaw, targets: Targets, target: Tensor, positive: Tensor, scales: Scales
) -> Tensor:
    """Return the regression targets [B, A, 4]; 0 for negative samples."""
    target_boxes = gather_rows(targets.boxes, target)
    target_boxes = torch.where(positive.unsqueeze(-1), target_boxes, raw.anchors)  # avoids log(0) for padding
    return encode_boxes(target_boxes, raw.anchors, scales)
