"""The backbone of YOLOv9: a generalised efficient layer aggregation network (GELAN).

YOLOv9: https://arxiv.org/abs/2402.13616; widths: https://github.com/MultimediaTechLab/YOLO (MIT)

The auxiliary branch of the paper (programmable gradient information), which helps training from scratch and
is not used in inference, is not implemented.
"""

from torch import Tensor, nn

from nets.layers.blocks import ConvBNAct
from nets.layers.gelan_blocks import ELAN, AverageDown, SplitDown


class GELAN(nn.Module):
    """GELAN with features at strides 8, 16 and 32.

    stem        channels of the two convolutions of stride 2
    widths      channels of the four stages; the last three are the features
    hidden      channels within each stage; default: `widths`
    depth       number of bottlenecks in each of a stage's two layers
    simple      whether the first stage is an ELAN block of plain 3x3 convolutions
    split_down  whether stages are downsampled by SplitDown instead of AverageDown
    """

    strides = (8, 16, 32)

    def __init__(
        self,
        stem: tuple[int, int],
        widths: tuple[int, int, int, int],
        hidden: tuple[int, int, int, int] | None = None,
        depth: int = 1,
        simple: bool = False,
        split_down: bool = False,
    ) -> None:
        super().__init__()
        down = SplitDown if split_down else AverageDown
        hidden = hidden or widths

        def stage(number: int) -> nn.Sequential:
            inputs, within, outputs = widths[number - 1], hidden[number], widths[number]
            return nn.Sequential(down(inputs, within), ELAN(within, outputs, within, depth))

        self.channels = widths[1:]
        self.stem = nn.Sequential(ConvBNAct(3, stem[0], 3, 2), ConvBNAct(stem[0], stem[1], 3, 2))
        self.stage1 = ELAN(stem[1], widths[0], hidden[0], 0 if simple else depth)
        self.stage2 = stage(1)
        self.stage3 = stage(2)
        self.stage4 = stage(3)

    def forward(self, images: Tensor) -> tuple[Tensor, ...]:
        """Map [B, 3, H, W] to features [B, C, H/8, W/8], [B, C', H/16, W/16], [B, C'', H/32, W/32]."""
        fine = self.stage2(self.stage1(self.stem(images)))
        middle = self.stage3(fine)
        return fine, middle, self.stage4(middle)
