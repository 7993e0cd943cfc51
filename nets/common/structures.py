"""The types that networks, losses and decoders exchange."""

from collections.abc import Iterable
from typing import NamedTuple, Protocol

from torch import Tensor

InputSize = tuple[int, int]  # height and width of the network input in pixels


class Targets(NamedTuple):
    """The ground truth of a batch of images, padded to the largest number of objects in an image.

    boxes   float32 [B, M, 4], xyxy in pixels of the network input; zeros for padding
    labels  int64 [B, M], 0-based class labels; 0 for padding
    valid   bool [B, M], False for padding
    """

    boxes: Tensor
    labels: Tensor
    valid: Tensor


class Candidates(NamedTuple):
    """The predictions of a detector before NMS.

    boxes   float32 [B, A, 4], xyxy in pixels of the network input
    scores  float32 [B, A, C], between 0 and 1
    """

    boxes: Tensor
    scores: Tensor


class Level(NamedTuple):
    """A feature level: rows and columns of cells, and the stride, which is the cell width in input pixels."""

    rows: int
    columns: int
    stride: int


class RawOutputs(Iterable[object], Protocol):
    """The raw outputs of a head: a NamedTuple of tensors, of the same type in training and evaluation.

    levels  feature levels, finest first, if outputs are laid out by level as [B, cells, ...]; otherwise empty
    """

    @property
    def levels(self) -> tuple[Level, ...]: ...
