"""Code that all losses share: settings, binary cross-entropy, label smoothing and normalisation."""

from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

BoxLoss = Literal["iou", "giou", "diou", "ciou", "siou"]


@dataclass(frozen=True)
class LossOptions:
    """The loss options that train.py offers as flags."""

    box_loss: BoxLoss | None = None  # box regression loss: iou, giou, diou, ciou, siou; default: the head's
    label_smoothing: float = 0.0  # label smoothing: how far class targets move from 0 and 1 towards 1/2
    focal: bool = False  # focal loss: down-weight easy examples, in classification and objectness

    def __post_init__(self) -> None:
        if not 0 <= self.label_smoothing <= 1:
            raise ValueError(f"--label-smoothing must be from 0 to 1, not {self.label_smoothing}")


@dataclass(frozen=True)
class LossSettings(LossOptions):
    """The loss options, and the `class_weights` of the class loss; None for equal weights."""

    class_weights: tuple[float, ...] | None = None


FOCAL_GAMMA, FOCAL_ALPHA = 2.0, 0.25


def binary_loss(logits: Tensor, targets: Tensor, focal: bool) -> Tensor:
    """Return the binary cross-entropy of each logit with its target between 0 and 1, in the same shape.

    With `focal`, the loss is weighted by |target - probability|^2, and by 1/4 for positives and 3/4 for
    negatives: the focal loss (https://arxiv.org/abs/1708.02002), or for soft targets the quality focal loss
    (https://arxiv.org/abs/2006.04388).
    """
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if not focal:
        return loss
    alpha = FOCAL_ALPHA * targets + (1 - FOCAL_ALPHA) * (1 - targets)
    return alpha * (targets - logits.sigmoid()).abs() ** FOCAL_GAMMA * loss


def smooth_labels(targets: Tensor, smoothing: float) -> Tensor:
    """Return class targets with label smoothing s: 1 becomes 1 - s/2, and 0 becomes s/2.

    Targets move towards one half, since each class is a binary classification.
    https://arxiv.org/abs/1512.00567 (section 7)
    """
    return torch.lerp(targets, torch.full_like(targets, 0.5), smoothing) if smoothing else targets


def weight_by_class(class_loss: Tensor, labels: Tensor, weights: tuple[float, ...] | None) -> Tensor:
    """Return the class losses, each times the weight of its object's class; `labels` int64 of the same shape.

    The weight applies to an object's loss over all classes, not only to the loss of its own class: an object
    of weight 2 counts as two objects, and scores remain probabilities for the weighted class frequencies.
    Weighting only the own class would raise the scores of rare classes on all objects.
    """
    if weights is None:
        return class_loss
    table = torch.tensor(weights).to(labels.device, non_blocking=True)  # no device sync
    return class_loss * table[labels]


def class_losses(logits: Tensor, targets: Tensor, labels: Tensor, settings: LossSettings) -> Tensor:
    """Return the class loss [...] of samples, summed over classes, with all settings applied.

    logits and targets [..., C], labels int64 [...] of their objects
    """
    smoothed = smooth_labels(targets, settings.label_smoothing)
    loss = binary_loss(logits, smoothed, settings.focal).sum(dim=-1)
    return weight_by_class(loss, labels, settings.class_weights)


def reduce_mean_count(count: Tensor) -> Tensor:
    """Return the mean of the scalar `count` over all processes, with the sum of counts clamped to at least 1.

    Gradients are averaged over processes. Dividing the losses by this mean makes the gradients equal to those
    of one process with the whole batch: the mean of (sum / mean count) is total sum / total count. Without
    gradients, in evaluation, each process counts its own batches only.
    """
    together = torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized()
    if not together:
        return count.clamp(min=1)
    total = count.detach().clone()
    distributed.all_reduce(total)
    return total.clamp(min=1) / distributed.get_world_size()
