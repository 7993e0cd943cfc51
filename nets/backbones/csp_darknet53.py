"""The backbones of YOLOv4 (CSPDarknet-53 with Mish) and of YOLOv4-tiny.

YOLOv4: https://arxiv.org/abs/2004.10934; CSPNet: https://arxiv.org/abs/1911.11929;
YOLOv4-tiny: Scaled-YOLOv4, https://arxiv.org/abs/2011.08036
"""

import torch
from torch import Tensor, nn

from nets.layers.darknet_blocks import Mish, Residual, conv


class CSPStage(nn.Module):
    """A cross-stage partial stage with stride 2, and with residual blocks in one of its two branches.

    hidden  channels of each branch
    narrow  channels between the two convolutions of a residual block
    """

    def __init__(self, inputs: int, outputs: int, depth: int, hidden: int, narrow: int) -> None:
        super().__init__()
        self.down = conv(inputs, outputs, 3, 2, Mish)
        self.bypass = conv(outputs, hidden, 1, activation=Mish)
        self.main = conv(outputs, hidden, 1, activation=Mish)
        self.blocks = nn.Sequential(*(Residual(hidden, narrow, Mish) for _ in range(depth)))
        self.after = conv(hidden, hidden, 1, activation=Mish)
        self.merge = conv(2 * hidden, outputs, 1, activation=Mish)

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        main = self.after(self.blocks(self.main(x)))
        return self.merge(torch.cat((main, self.bypass(x)), dim=1))


class CSPDarknet53(nn.Module):
    """CSPDarknet-53 with features at strides 8, 16 and 32."""

    channels = (256, 512, 1024)
    strides = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 32, 3, activation=Mish)
        self.stage1 = CSPStage(32, 64, 1, hidden=64, narrow=32)
        self.stage2 = CSPStage(64, 128, 2, hidden=64, narrow=64)
        self.stage3 = CSPStage(128, 256, 8, hidden=128, narrow=128)
        self.stage4 = CSPStage(256, 512, 8, hidden=256, narrow=256)
        self.stage5 = CSPStage(512, 1024, 4, hidden=512, narrow=512)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, 256, H/8, W/8], [B, 512, H/16, W/16], [B, 1024, H/32, W/32]."""
        fine = self.stage3(self.stage2(self.stage1(self.stem(images))))
        middle = self.stage4(fine)
        return fine, middle, self.stage5(middle)


class TinyStage(nn.Module):
    """A cross-stage partial stage of YOLOv4-tiny: two of its three 3x3 convolutions get half of the channels.

    Returns the output of its 1x1 convolution, [B, channels, H, W], and the concatenation of the outputs of
    its full-width 3x3 and its 1x1 convolution, max-pooled to [B, 2 * channels, H / 2, W / 2].
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.whole = conv(channels, channels, 3)
        self.first = conv(half, half, 3)
        self.second = conv(half, half, 3)
        self.merge = conv(channels, channels, 1)
        self.pool = nn.MaxPool2d(2, 2)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        whole = self.whole(x)
        first = self.first(whole.chunk(2, dim=1)[1])
        merged = self.merge(torch.cat((self.second(first), first), dim=1))
        return merged, self.pool(torch.cat((whole, merged), dim=1))


class CSPDarknet53Tiny(nn.Module):
    """The backbone of YOLOv4-tiny with features at strides 16 and 32."""

    channels = (256, 512)
    strides = (16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(conv(3, 32, 3, 2), conv(32, 64, 3, 2))
        self.stage1 = TinyStage(64)
        self.stage2 = TinyStage(128)
        self.stage3 = TinyStage(256)
        self.last = conv(512, 512, 3)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, 256, H/16, W/16], [B, 512, H/32, W/32]."""
        x = self.stem(images)
        _, x = self.stage1(x)
        _, x = self.stage2(x)
        fine, x = self.stage3(x)
        return fine, self.last(x)
