"""The backbone of YOLOX: CSPDarknet with a Focus stem and an SPP block in its last stage.

YOLOX: https://arxiv.org/abs/2107.08430
"""

from torch import Tensor, nn

from nets.layers.blocks import SPP, CSPLayer, Focus, csp_stage, spatial_conv


class CSPDarknet(nn.Module):
    """CSPDarknet with features at strides 8, 16 and 32.

    depth      multiplier of the number of blocks
    width      multiplier of the number of channels
    separable  whether 3x3 convolutions are depthwise separable, as in YOLOX-nano

    `channels` and `strides` describe the features, finest first; necks and heads need to know nothing else.
    """

    def __init__(self, depth: float, width: float, separable: bool = False) -> None:
        super().__init__()
        base, blocks = int(64 * width), max(round(3 * depth), 1)
        self.channels = (4 * base, 8 * base, 16 * base)
        self.strides = (8, 16, 32)
        self.stem = Focus(3, base, kernel=3)
        self.stage1 = csp_stage(base, 2 * base, blocks, separable)
        self.stage2 = csp_stage(2 * base, 4 * base, 3 * blocks, separable)
        self.stage3 = csp_stage(4 * base, 8 * base, 3 * blocks, separable)
        self.stage4 = nn.Sequential(
            spatial_conv(8 * base, 16 * base, 3, 2, separable),
            SPP(16 * base, 16 * base),
            CSPLayer(16 * base, 16 * base, blocks, shortcut=False, separable=separable),
        )

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, C, H/8, W/8], [B, 2C, H/16, W/16], [B, 4C, H/32, W/32]."""
        fine = self.stage2(self.stage1(self.stem(images)))
        middle = self.stage3(fine)
        return fine, middle, self.stage4(middle)
