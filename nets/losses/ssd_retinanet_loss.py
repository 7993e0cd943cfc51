"""The losses of SSD and RetinaNet, whose label assignment is by IoU of anchors and objects.

SSD: https://arxiv.org/abs/1512.02325; RetinaNet: https://arxiv.org/abs/1708.02002
The values equal torchvision's, but are computed for the whole batch at once, without waiting for the device.
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

POSITIVE_IOU = 0.5  # with an object, from which an anchor is a positive sample
RETINANET_NEGATIVE_IOU = 0.4  # anchors between it and POSITIVE_IOU are ignored
NEGATIVES_PER_POSITIVE = 3  # SSD's hard negative mining


def ssd_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Return the components of the loss, each divided by the number of positive samples in the batch.

    Without objects all are 0: SSD learns the background only from images with objects.
    """
    matches = match_anchors(raw.anchors, targets)
    forced = forced_objects(matches)
    positive = (matches.overlap >= POSITIVE_IOU) | (forced >= 0)
    target = torch.where(forced >= 0, forced, matches.target)
    number = reduce_mean_count(positive.sum())

    codes = _code_targets(raw, targets, target, positive, VARIANCE_SCALES)
    box_loss = F.smooth_l1_loss(raw.boxes, codes, reduction="none")
    wanted = torch.where(positive, targets.labels.gather(1, target) + 1, 0)  # background is 0
    # Flattened: the kernel for [B, C, A] on a GPU is not deterministic.
    class_loss = F.cross_entropy(raw.classes.flatten(0, 1), wanted.flatten(), reduction="none")
    class_loss = class_loss.view_as(wanted)
    counted = positive | hard_negatives(class_loss, positive)
    return {
        "box": (box_loss.sum(dim=-1) * positive).sum() / number,
        "class": (class_loss * counted).sum() / number,
    }


@torch.no_grad()
def forced_objects(matches: Matches) -> Tensor:
    """Return for each anchor the object that it overlaps most of all anchors, the last of several, else -1.

    int64 [B, A]
    """
    batch, anchors = matches.overlap.shape
    objects = torch.arange(matches.best_anchor.shape[1], device=matches.target.device).expand(batch, -1)
    forced = objects.new_full((batch, anchors + 1), -1)
    return forced.scatter_reduce(1, matches.best_anchor, objects, "amax")[:, :anchors]


@torch.no_grad()
def hard_negatives(class_loss: Tensor, positive: Tensor) -> Tensor:
    """Return the negative samples of highest loss in each image, three for each positive one, bool [B, A]."""
    order = class_loss.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True)
    return (order.argsort(dim=1) < NEGATIVES_PER_POSITIVE * positive.sum(dim=1, keepdim=True)) & ~positive


def retinanet_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Return the components of the loss, of each image by its number of positive samples, then averaged."""
    matches = match_anchors(raw.anchors, targets)
    positive = (matches.overlap >= POSITIVE_IOU) | matches.is_best
    counted = positive | (matches.overlap < RETINANET_NEGATIVE_IOU)
    number = positive.sum(dim=1).clamp(min=1)

    codes = _code_targets(raw, targets, matches.target, positive, UNIT_SCALES)
    box_loss = F.l1_loss(raw.boxes, codes, reduction="none").sum(dim=-1)
    wanted = binary_class_targets(raw.classes, targets, matches.target, positive)
    class_loss = binary_loss(raw.classes, wanted, focal=True).sum(dim=-1)
    return {
        "box": ((box_loss * positive).sum(dim=1) / number).mean(),
        "class": ((class_loss * counted).sum(dim=1) / number).mean(),
    }


def binary_class_targets(classes: Tensor, targets: Targets, target: Tensor, positive: Tensor) -> Tensor:
    """Return class targets like classes [B, A, C]: 1 for the object's class of positive samples, else 0."""
    labels = targets.labels.gather(1, target).unsqueeze(-1)
    return torch.zeros_like(classes).scatter(2, labels, positive.unsqueeze(-1).to(classes.dtype))


def _code_targets(
    raw: DenseRaw, targets: Targets, target: Tensor, positive: Tensor, scales: Scales
) -> Tensor:
    """Return the regression targets [B, A, 4]; 0 for negative samples."""
    wanted = gather_rows(targets.boxes, target)
    wanted = torch.where(positive.unsqueeze(-1), wanted, raw.anchors)  # padding would give the log of 0
    return encode_boxes(wanted, raw.anchors, scales)
