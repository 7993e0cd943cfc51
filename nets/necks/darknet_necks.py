"""The necks of YOLOv3 and YOLOv4, and of their tiny versions.

Feature pyramids: https://arxiv.org/abs/1612.03144; YOLOv3: https://arxiv.org/abs/1804.02767
Path aggregation: https://arxiv.org/abs/1803.01534; YOLOv4: https://arxiv.org/abs/2004.10934
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nets.common.feature_levels import require_levels
from nets.layers.blocks import pooled_pyramid
from nets.layers.darknet_blocks import alternating_convs, conv


class YOLOv3FPN(nn.Module):
    """A feature pyramid of three levels, each with half as many output channels as input channels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = require_levels(channels, 3, "yolov3_fpn")
        self.channels = (fine // 2, middle // 2, coarse // 2)
        self.coarse = alternating_convs(coarse, coarse // 2)
        self.up_middle = conv(coarse // 2, middle // 2, 1)
        self.middle = alternating_convs(middle // 2 + middle, middle // 2)
        self.up_fine = conv(middle // 2, fine // 2, 1)
        self.fine = alternating_convs(fine // 2 + fine, fine // 2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map features [B, C, H, W], finest level first, to features of the same sizes with `channels`."""
        fine, middle, coarse = features
        coarse = self.coarse(coarse)
        middle = self.middle(torch.cat((self.upsample(self.up_middle(coarse)), middle), dim=1))
        fine = self.fine(torch.cat((self.upsample(self.up_fine(middle)), fine), dim=1))
        return fine, middle, coarse


class TinyFPN(nn.Module):
    """A feature pyramid of two levels."""

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, coarse = require_levels(channels, 2, "tiny_fpn")
        self.channels = (128 + fine, 256)
        self.coarse = conv(coarse, 256, 1)
        self.up_fine = conv(256, 128, 1)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map features [B, C, H, W], finest level first, to features of the same sizes with `channels`."""
        fine, coarse = features
        coarse = self.coarse(coarse)
        return torch.cat((self.upsample(self.up_fine(coarse)), fine), dim=1), coarse


class YOLOv4PAN(nn.Module):
    """Spatial pyramid pooling, a top-down feature pyramid, and a bottom-up path, over three levels.

    Each level has half as many output channels as input channels.
    """

    def __init__(self, channels: Sequence[int]) -> None:
        super().__init__()
        fine, middle, coarse = (c // 2 for c in require_levels(channels, 3, "yolov4_pan"))
        self.channels = (fine, middle, coarse)
        self.before_pool = alternating_convs(2 * coarse, coarse, depth=3)
        self.after_pool = alternating_convs(4 * coarse, coarse, depth=3)
        self.up_middle = conv(coarse, middle, 1)
        self.lateral_middle = conv(2 * middle, middle, 1)
        self.pyramid_middle = alternating_convs(2 * middle, middle)
        self.up_fine = conv(middle, fine, 1)
        self.lateral_fine = conv(2 * fine, fine, 1)
        self.pyramid_fine = alternating_convs(2 * fine, fine)
        self.down_fine = conv(fine, middle, 3, 2)
        self.path_middle = alternating_convs(2 * middle, middle)
        self.down_middle = conv(middle, coarse, 3, 2)
        self.path_coarse = alternating_convs(2 * coarse, coarse)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map features [B, C, H, W], finest level first, to features of the same sizes with `channels`."""
        fine, middle, coarse = features
        pooled = pooled_pyramid(self.before_pool(coarse), self.pool)
        coarse = self.after_pool(torch.cat(pooled[::-1], dim=1))  # Darknet puts the widest pooling first
        up = self.upsample(self.up_middle(coarse))
        middle = self.pyramid_middle(torch.cat((self.lateral_middle(middle), up), dim=1))
        up = self.upsample(self.up_fine(middle))
        fine = self.pyramid_fine(torch.cat((self.lateral_fine(fine), up), dim=1))
        middle = self.path_middle(torch.cat((self.down_fine(fine), middle), dim=1))
        coarse = self.path_coarse(torch.cat((self.down_middle(middle), coarse), dim=1))
        return fine, middle, coarse
