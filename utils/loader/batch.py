"""What a loader yields."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Targets
from utils.augment.color_and_flip import ColorFlip, recolor_and_flip
from utils.images.letterbox import Letterbox


class Batch(NamedTuple):
    """Images for the network, and what is on them.

    images       uint8 [B, 3, H, W], RGB, channels last in memory
    targets      the objects to be found, in pixels of the input
    indices      int64 [B], which image of the data set each sample is
    letterboxes  where each image lies on the input; empty where augmented
    skipped      files that could not be read
    variation    what is still to be done to the images on the device, if anything
    """

    images: Tensor
    targets: Targets
    indices: Tensor
    letterboxes: list[Letterbox]
    skipped: list[str]
    variation: ColorFlip | None = None


def as_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] without a copy. NumPy made it, whose large arrays use huge pages."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def batch_to_device(batch: Batch, device: torch.device) -> tuple[Tensor, Targets]:
    """Images and targets of a batch by copies that the device need not wait for, varied as is still to do."""
    targets = Targets(*(value.to(device, non_blocking=True) for value in batch.targets))
    images = batch.images.to(device, non_blocking=True)
    if batch.variation is not None:
        variation = ColorFlip(*(value.to(device, non_blocking=True) for value in batch.variation))
        images = recolor_and_flip(images, variation)
    return images, targets
