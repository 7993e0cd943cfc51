"""The detector: backbone, neck and head, with the methods `losses` and `detect`."""

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat, prepare_pixels
from nets.common.structures import Candidates, InputSize, Targets

PARTS = ("backbone", "neck", "head")


class Detector(nn.Module):
    """A detector made of exchangeable parts.

    loss    (raw outputs, targets) -> the components of the loss; belongs to the head
    decode  (raw outputs) -> candidates; belongs to the head
    pixels  pixel format that the backbone expects
    stride  number that must divide the input height and width
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
        """Backbone, neck and head, keyed by the names in `PARTS`."""
        return {"backbone": self.backbone, "neck": self.neck, "head": self.head}

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return next(self.parameters()).device

    def accepts(self, size: InputSize) -> bool:
        """Return whether the detector accepts inputs of `size` (height, width)."""
        return all(side % self.stride == 0 for side in size)

    def features(self, images: Tensor) -> Sequence[Tensor]:
        """Return the neck's feature maps for uint8 RGB images [B, 3, H, W], finest level first."""
        return self.neck(self.backbone(prepare_pixels(images, self.pixels)))

    def forward(self, images: Tensor) -> Any:
        """Return the head's raw outputs for uint8 RGB images [B, 3, H, W]; the same type in all modes."""
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
    """A detector whose head takes the input size (height, width) in addition to the features.

    For heads that place anchors over the input: the input size cannot be inferred from the sizes of the
    feature maps, which are rounded up.
    """

    def forward(self, images: Tensor) -> Any:
        """Return the head's raw outputs for uint8 RGB images [B, 3, H, W]; the same type in all modes."""
        return self.head(self.features(images), (images.shape[-2], images.shape[-1]))
