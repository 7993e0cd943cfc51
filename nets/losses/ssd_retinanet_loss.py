"""The losses of SSD and RetinaNet, whose anchors are chosen by how much they overlap the objects.

SSD: https://arxiv.org/abs/1512.02325; RetinaNet: https://arxiv.org/abs/1708.02002
Values are those of torchvision's own losses, but for the whole batch at once, without waiting for the device.
"""

import torch
from torch import Tensor
from torch.nn import functional as F

from nets.assigners.iou_matcher import Matches, match_anchors
from nets.common import box_coder as box_codes
from nets.common.box_coder import PLAIN, SCALED
from nets.common.boxes import gather_rows
from nets.common.structures import Targets
from nets.heads.torchvision_heads import DenseRaw
from nets.losses.common import binary_loss, reduce_mean_count

OVERLAPS = 0.5  # an anchor that overlaps an object as much should find it
RETINANET_IGNORED = 0.4  # one between is neither right nor wrong
SSD_NEGATIVES = 3  # background anchors that count for each that should find an object, the worst ones


def ssd_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Losses by component, divided by the number of anchors that should find an object.

    Without any object all are 0: SSD learns the background only beside objects.
    """
    matches = match_anchors(raw.anchors, targets)
    forced = forced_objects(matches)
    positive = (matches.overlap >= OVERLAPS) | (forced >= 0)
    target = torch.where(forced >= 0, forced, matches.target)
    number = reduce_mean_count(positive.sum())

    box_loss = F.smooth_l1_loss(raw.boxes, _codes(raw, targets, target, positive, SCALED), reduction="none")
    wanted = torch.where(positive, targets.labels.gather(1, target) + 1, 0)  # background is 0
    # Flat: of images by rows and columns, which this would be taken for, a GPU has no deterministic kernel.
    class_loss = F.cross_entropy(raw.classes.flatten(0, 1), wanted.flatten(), reduction="none")
    class_loss = class_loss.view_as(wanted)
    counted = positive | hardest(class_loss, positive)
    return {
        "box": (box_loss.sum(dim=-1) * positive).sum() / number,
        "class": (class_loss * counted).sum() / number,
    }


@torch.no_grad()
def forced_objects(matches: Matches) -> Tensor:
    """For each anchor the object that no anchor overlaps more, the last of several, else -1. [B, A]"""
    batch, anchors = matches.overlap.shape
    objects = torch.arange(matches.best_anchor.shape[1], device=matches.target.device).expand(batch, -1)
    forced = objects.new_full((batch, anchors + 1), -1)
    return forced.scatter_reduce(1, matches.best_anchor, objects, "amax")[:, :anchors]


@torch.no_grad()
def hardest(class_loss: Tensor, positive: Tensor) -> Tensor:
    """The background anchors of each image that do worst, three for each positive one. bool [B, A]"""
    order = class_loss.masked_fill(positive, -torch.inf).argsort(dim=1, descending=True)
    return (order.argsort(dim=1) < SSD_NEGATIVES * positive.sum(dim=1, keepdim=True)) & ~positive


def retinanet_loss(raw: DenseRaw, targets: Targets) -> dict[str, Tensor]:
    """Losses by component, for each image divided by its number of positive anchors, then averaged."""
    matches = match_anchors(raw.anchors, targets)
    positive = (matches.overlap >= OVERLAPS) | matches.is_best
    counted = positive | (matches.overlap < RETINANET_IGNORED)
    number = positive.sum(dim=1).clamp(min=1)

    codes = _codes(raw, targets, matches.target, positive, PLAIN)
    box_loss = F.l1_loss(raw.boxes, codes, reduction="none").sum(dim=-1)
    wanted = binary_class_targets(raw.classes, targets, matches.target, positive)
    class_loss = binary_loss(raw.classes, wanted, focal=True).sum(dim=-1)
    return {
        "box": ((box_loss * positive).sum(dim=1) / number).mean(),
        "class": ((class_loss * counted).sum(dim=1) / number).mean(),
    }


def binary_class_targets(classes: Tensor, targets: Targets, target: Tensor, positive: Tensor) -> Tensor:
    """1 for the class of the object that a positive row of classes [B, A, C] should find, else 0."""
    labels = targets.labels.gather(1, target).unsqueeze(-1)
    return torch.zeros_like(classes).scatter(2, labels, positive.unsqueeze(-1).to(classes.dtype))


def _codes(
    raw: DenseRaw, targets: Targets, target: Tensor, positive: Tensor, scales: box_codes.Scales
) -> Tensor:
    """What the head should have returned [B, A, 4]; 0 where the anchor should find nothing."""
    wanted = gather_rows(targets.boxes, target)
    wanted = torch.where(positive.unsqueeze(-1), wanted, raw.anchors)  # padding would give the log of 0
    return box_codes.encode_boxes(wanted, raw.anchors, scales)
