"""A detector: backbone, neck and head, with the two calls that trainer, evaluator and predictor make."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat, prepare_pixels
from nets.common.structures import Candidates, Targets

PARTS = ("backbone", "neck", "head")


class Detector(nn.Module):
    """A detector made of exchangeable parts.

    loss(raw, targets) and decode(raw) go with the head: they know what its raw outputs mean. `stride` is
    what the image size must be a multiple of.
    """

    def __init__(
        self,
        backbone: nn.Module,
        neck: nn.Module,
        head: nn.Module,
        loss: Callable[[Any, Targets], dict[str, Tensor]],
        decode: Callable[[Any], Candidates],
        pixels: PixelFormat,
        stride: int,
    ) -> None:
        super().__init__()
        self.backbone = backbone
        self.neck = neck
        self.head = head
        self.pixels = pixels
        self.stride = stride
        self.loss = loss
        self.decode = decode

    @property
    def device(self) -> torch.device:
        """Where it is."""
        return next(self.parameters()).device

    def accepts(self, size: tuple[int, int]) -> bool:
        """Whether it takes inputs of this size (height, width)."""
        return all(side % self.stride == 0 for side in size)

    def features(self, images: Tensor) -> Any:
        """uint8 RGB [B, 3, H, W] -> what the neck makes of them, finest level first."""
        return self.neck(self.backbone(prepare_pixels(images, self.pixels)))

    def forward(self, images: Tensor) -> Any:
        """uint8 RGB [B, 3, H, W] -> the head's raw outputs, the same in training and evaluation."""
        return self.head(self.features(images))

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Losses by component, scalars on the device; their sum is what to minimise."""
        raw = self(images)
        with torch.autocast(images.device.type, enabled=False):  # small sums of small numbers: in float32
            return self.loss(raw, targets)

    def detect(self, images: Tensor) -> Candidates:
        """Boxes [B, A, 4] xyxy in pixels of the input and scores [B, A, C], before NMS."""
        raw = self(images)
        with torch.autocast(images.device.type, enabled=False):
            return self.decode(raw)


class SizedDetector(Detector):
    """A detector whose head is given the size of the input too, (height, width), beside the features.

    For heads that lay boxes over the input: the sizes of the features, rounded up, do not tell it.
    """

    def forward(self, images: Tensor) -> Any:
        """uint8 RGB [B, 3, H, W] -> the head's raw outputs, the same in training and evaluation."""
        return self.head(self.features(images), (images.shape[-2], images.shape[-1]))
