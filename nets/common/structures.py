"""The types that networks, losses and decoders exchange."""

from typing import NamedTuple

from torch import Tensor


class Targets(NamedTuple):
    """What is to be found on a batch of images, padded to the largest number of boxes.

    boxes   float32 [B, M, 4], xyxy in pixels of the network input; zeros where padded
    labels  int64 [B, M], 0-based; 0 where padded
    valid   bool [B, M], which entries are boxes rather than padding
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor


class Candidates(NamedTuple):
    """What a detector proposes before NMS.

    boxes   float32 [B, A, 4], xyxy in pixels of the network input
    scores  float32 [B, A, C], between 0 and 1
    """

    boxes: Tensor
    scores: Tensor


class Level(NamedTuple):
    """One level of features: how many cells, and how many pixels of the network input each is wide."""

    rows: int
    columns: int
    stride: int
