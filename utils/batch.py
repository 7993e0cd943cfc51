"""What a loader yields."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from nets.structures import Targets
from utils.letterbox import Letterbox
from utils.variation import Variation


class Batch(NamedTuple):
    """Pictures for the network, and what is on them.

    images       uint8 [B, 3, H, W], RGB, channels last in memory
    targets      the objects to be found, in pixels of the input
    indices      int64 [B], which image of the data set each sample is
    letterboxes  where each picture lies on the input; empty where augmented
    skipped      files that could not be read
    variation    what is still to be done to the images on the device, if anything
    """

    images: Tensor
    targets: Targets
    indices: Tensor
    letterboxes: list[Letterbox]
    skipped: list[str]
    variation: Variation | None = None


def as_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] without a copy. NumPy made it, whose large arrays use huge pages."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)
