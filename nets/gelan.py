"""Backbone and neck of YOLOv9: generalised efficient layer aggregation (GELAN), and a path down and up.

YOLOv9: https://arxiv.org/abs/2402.13616; widths: https://github.com/MultimediaTechLab/YOLO (MIT)

The auxiliary branch of the paper (programmable gradient information) is left out: it is for training from
scratch, and no part of the network that predicts.
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nets.blocks import SPP, ConvBNAct
from nets.gelan_blocks import ELAN, AverageDown, SplitDown
from nets.levels import require_levels


class GELAN(nn.Module):
    """Features at strides 8, 16 and 32.

    stem        channels of the two convolutions of stride 2
    widths      channels of the four stages; the last three are returned
    hidden      channels within each stage; by default as many as it returns
    depth       bottlenecks in each of a stage's two layers
    simple      whether the first stage has 3x3 convolutions alone in their place
    split_down  whether stages begin with SplitDown, not AverageDown
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
        """[B, 3, H, W] -> features [B, C, H/8, W/8], [B, C', H/16, W/16], [B, C'', H/32, W/32]."""
        fine = self.stage2(self.stage1(self.stem(images)))
        middle = self.stage3(fine)
        return fine, middle, self.stage4(middle)


class GELANPAN(nn.Module):
    """Mixes three levels of features: pooling, a pyramid down from coarse to fine, and a path back up.

    widths      channels that come out, finest first
    downs       channels in which the fine and the middle level are passed on to the next coarser one
    depth, split_down  as in the backbone
    """

    def __init__(
        self,
        channels: Sequence[int],
        widths: tuple[int, int, int],
        downs: tuple[int, int],
        depth: int = 1,
        split_down: bool = False,
    ) -> None:
        super().__init__()
        fine_in, middle_in, coarse_in = require_levels(channels, 3, "gelan_pan")
        fine, middle, coarse = widths
        down = SplitDown if split_down else AverageDown
        self.channels = widths
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.pool = SPP(coarse_in, coarse, hidden=coarse // 2)
        self.pyramid_middle = ELAN(coarse + middle_in, middle, middle, depth)
        self.pyramid_fine = ELAN(middle + fine_in, fine, fine, depth)
        self.down_fine = down(fine, downs[0])
        self.path_middle = ELAN(downs[0] + middle, middle, middle, depth)
        self.down_middle = down(middle, downs[1])
        self.path_coarse = ELAN(downs[1] + coarse, coarse, coarse, depth)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        fine, middle, coarse = features
        coarse = self.pool(coarse)
        middle = self.pyramid_middle(torch.cat((self.upsample(coarse), middle), dim=1))
        fine = self.pyramid_fine(torch.cat((self.upsample(middle), fine), dim=1))
        middle = self.path_middle(torch.cat((self.down_fine(fine), middle), dim=1))
        coarse = self.path_coarse(torch.cat((self.down_middle(middle), coarse), dim=1))
        return fine, middle, coarse
