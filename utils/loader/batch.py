"""The batches that data loaders yield."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Targets
from utils.augment.color_and_flip import ColorFlip, recolor_and_flip
from utils.images.letterbox import Letterbox


class Batch(NamedTuple):
    """A batch of network inputs with ground truth.

    images         uint8 [B, 3, H, W], RGB, channels last in memory
    targets        ground truth, in pixels of the input
    image_numbers  int64 [B], data set index of each sample's main image
    letterboxes    scale and position of each image on the input; empty for augmented images
    skipped        files that could not be read
    color_flip     colour changes and flips yet to be applied on the device, if any
    """

    images: Tensor
    targets: Targets
    image_numbers: Tensor
    letterboxes: list[Letterbox]
    skipped: list[str]
    color_flip: ColorFlip | None = None


def as_tensor(images: np.ndarray) -> Tensor:
    """View a NumPy array uint8 [B, H, W, 3] as a tensor [B, 3, H, W]; large NumPy arrays use huge pages."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def batch_to_device(batch: Batch, device: torch.device) -> tuple[Tensor, Targets]:
    """Copy images and targets to the device without a sync, and apply the batch's `color_flip` there."""
    targets = Targets(*(value.to(device, non_blocking=True) for value in batch.targets))
    images = batch.images.to(device, non_blocking=True)
    if batch.color_flip is not None:
        color_flip = ColorFlip(*(value.to(device, non_blocking=True) for value in batch.color_flip))
        images = recolor_and_flip(images, color_flip)
    return images, targets
