"""The detector: backbone, neck and head, with the calls `losses` and `detect`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat, prepare_pixels
from nets.common.structures import Candidates, InputSize, Targets

PARTS = ("backbone", "neck", "head")


class Detector(nn.Module):
    """A detector of exchangeable parts.

    loss    (raw outputs, targets) -> the components of the loss; belongs to the head
    decode  (raw outputs) -> candidates; belongs to the head
    pixels  what the backbone expects of pixels
    stride  height and width of the input must be multiples of it
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
    def parts(self) -> dict[str, nn.Module]:
        """Backbone, neck and head by the names in `PARTS`."""
        return {"backbone": self.backbone, "neck": self.neck, "head": self.head}

    @property
    def device(self) -> torch.device:
        """The device of its parameters."""
        return next(self.parameters()).device

    def accepts(self, size: InputSize) -> bool:
        """Whether it takes inputs of `size` (height, width)."""
        return all(side % self.stride == 0 for side in size)

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Return the neck's feature maps of uint8 RGB images [B, 3, H, W], finest level first."""
        return self.neck(self.backbone(prepare_pixels(images, self.pixels)))

    def forward(self, images: Tensor) -> Any:
        """Return the head's raw outputs for uint8 RGB images [B, 3, H, W]: one type, whatever the mode."""
        return self.head(self.features(images))

    def losses(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Return the components of the loss by name, scalars on the device; training minimises their sum."""
        raw = self(images)
        with torch.autocast(images.device.type, enabled=False):  # losses are computed in float32
            return self.loss(raw, targets)

    def detect(self, images: Tensor) -> Candidates:
        """Return the candidates before NMS: boxes xyxy [B, A, 4] in input pixels and scores [B, A, C]."""
        raw = self(images)
        with torch.autocast(images.device.type, enabled=False):
            return self.decode(raw)


class SizedDetector(Detector):
    """A detector whose head takes the input size (height, width) besides the features.

    For heads that place anchors over the input: its size does not follow from the sizes of the feature maps,
    which are rounded up.
    """

    def forward(self, images: Tensor) -> Any:
        """Return the head's raw outputs for uint8 RGB images [B, 3, H, W]: one type, whatever the mode."""
        return self.head(self.features(images), (images.shape[-2], images.shape[-1]))
