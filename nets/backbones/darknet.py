"""The backbones of YOLOv3 (Darknet-53) and of YOLOv3-tiny.

YOLOv3: https://arxiv.org/abs/1804.02767
"""

from itertools import pairwise

from torch import Tensor, nn

from nets.layers.darknet_blocks import Residual, conv


class Darknet53(nn.Module):
    """Darknet-53: 52 convolutions with residual connections, and features at strides 8, 16 and 32."""

    channels = (256, 512, 1024)
    strides = (8, 16, 32)

    def __init__(self) -> None:
        super().__init__()
        self.stem = conv(3, 32, 3)
        self.stage1 = _stage(32, 64, 1)
        self.stage2 = _stage(64, 128, 2)
        self.stage3 = _stage(128, 256, 8)
        self.stage4 = _stage(256, 512, 8)
        self.stage5 = _stage(512, 1024, 4)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, 256, H/8, W/8], [B, 512, H/16, W/16], [B, 1024, H/32, W/32]."""
        fine = self.stage3(self.stage2(self.stage1(self.stem(images))))
        middle = self.stage4(fine)
        return fine, middle, self.stage5(middle)


def _stage(inputs: int, outputs: int, depth: int) -> nn.Sequential:
    blocks = (Residual(outputs, outputs // 2) for _ in range(depth))
    return nn.Sequential(conv(inputs, outputs, 3, stride=2), *blocks)


class DarknetTiny(nn.Module):
    """The backbone of YOLOv3-tiny: seven convolutions, max pooling, and features at strides 16 and 32."""

    channels = (256, 1024)
    strides = (16, 32)

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 16, 32, 64, 128, 256, 512, 1024)
        self.convs = nn.ModuleList(conv(a, b, 3) for a, b in pairwise(widths))
        self.pool = nn.MaxPool2d(2, 2)
        # The sixth pooling keeps the size: the last row and column are repeated as padding.
        self.pool_same = nn.Sequential(nn.ReplicationPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1))

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, 256, H/16, W/16], [B, 1024, H/32, W/32]."""
        x = self.convs[0](images)
        for layer in self.convs[1:5]:
            x = layer(self.pool(x))
        coarse = self.pool_same(self.convs[5](self.pool(x)))
        return x, self.convs[6](coarse)
