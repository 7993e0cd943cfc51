"""What all losses share: the settings a user can choose, binary cross-entropy and the normaliser."""

from typing import Literal, NamedTuple

import torch
from torch import Tensor, distributed
from torch.nn import functional as F

BoxLoss = Literal["iou", "giou", "diou", "ciou", "siou"]


class LossSettings(NamedTuple):
    """Choices that every loss of ours follows.

    box              which loss boxes are drawn to objects by; None is the head's own
    label_smoothing  share of 1/2 in the class targets of found objects: .1 makes them .05 and .95
    focal            whether what is already told well counts less, in classes and objectness
    class_weights    how much the class loss of an object counts, for each class; None: all alike
    """

    box: BoxLoss | None = None
    label_smoothing: float = 0.0
    focal: bool = False
    class_weights: tuple[float, ...] | None = None


FOCAL_GAMMA, FOCAL_ALPHA = 2.0, 0.25


def binary_loss(logits: Tensor, targets: Tensor, focal: bool) -> Tensor:
    """Binary cross-entropy of each logit against its target between 0 and 1; same shape.

    With `focal`, an element counts by |target - probability|^2, and positives by 1/4 against 3/4: the focal
    loss (https://arxiv.org/abs/1708.02002), which for targets between 0 and 1 is the quality focal loss
    (https://arxiv.org/abs/2006.04388).
    """
    loss = F.binary_cross_entropy_with_logits(logits, targets, reduction="none")
    if not focal:
        return loss
    share = FOCAL_ALPHA * targets + (1 - FOCAL_ALPHA) * (1 - targets)
    return share * (targets - logits.sigmoid()).abs() ** FOCAL_GAMMA * loss


def smoothed(targets: Tensor, smoothing: float) -> Tensor:
    """Targets moved towards one half: 1 becomes 1 - s/2, and 0 becomes s/2.

    Classes are told apart by a yes or no for each, so the uniform answer is one half.
    https://arxiv.org/abs/1512.00567 (section 7)
    """
    return torch.lerp(targets, torch.full_like(targets, 0.5), smoothing) if smoothing else targets


def weighted(class_loss: Tensor, labels: Tensor, weights: tuple[float, ...] | None) -> Tensor:
    """Class losses of objects, each times the weight of its object's class; labels int64 of the same shape.

    The whole loss of an object is weighted, what it says of all classes, not its own class alone: so an
    object of weight 2 counts as two objects would, and a score stays the probability of a class among objects
    that come as often as they count. With the own class alone, scores of rare classes would rise everywhere.
    """
    if weights is None:
        return class_loss
    table = torch.tensor(weights).to(labels.device, non_blocking=True)  # without waiting for the device
    return class_loss * table[labels]


def reduce_mean_count(count: Tensor) -> Tensor:
    """The mean over all processes of what each has counted in its part of the batch, at least one in all.

    Gradients are averaged over the processes. Divided by this, they are those of one process that has the
    whole batch: the mean of sum / mean_count is the sum of all / the count of all. Without gradients, in
    evaluation, each process has batches of its own.
    """
    together = torch.is_grad_enabled() and distributed.is_available() and distributed.is_initialized()
    if not together:
        return count.clamp(min=1)
    total = count.detach().clone()
    distributed.all_reduce(total)
    return total.clamp(min=1) / distributed.get_world_size()
