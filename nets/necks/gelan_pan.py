"""The neck of YOLOv9: a path aggregation network of GELAN blocks.

YOLOv9: https://arxiv.org/abs/2402.13616; widths: https://github.com/MultimediaTechLab/YOLO (MIT)
"""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from nets.common.feature_levels import require_levels
from nets.layers.blocks import SPP
from nets.layers.gelan_blocks import ELAN, AverageDown, SplitDown


class GELANPAN(nn.Module):
    """Spatial pyramid pooling, a top-down feature pyramid, and a bottom-up path, over three levels.

    widths             output channels, finest level first
    downs              channels after downsampling the fine and the middle level in the bottom-up path
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
        """Map features [B, C, H, W], finest level first, to features of the same sizes with `channels`."""
        fine, middle, coarse = features
        coarse = self.pool(coarse)
        middle = self.pyramid_middle(torch.cat((self.upsample(coarse), middle), dim=1))
        fine = self.pyramid_fine(torch.cat((self.upsample(middle), fine), dim=1))
        middle = self.path_middle(torch.cat((self.down_fine(fine), middle), dim=1))
        coarse = self.path_coarse(torch.cat((self.down_middle(middle), coarse), dim=1))
        return fine, middle, coarse
