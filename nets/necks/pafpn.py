"""The neck of YOLOX: a top-down feature pyramid, then a bottom-up path (PAFPN).

Path Aggregation Network, https://arxiv.org/abs/1803.01534; YOLOX, https://arxiv.org/abs/2107.08430
"""

from collections.abc import Sequence
from functools import partial

import torch
from torch import Tensor, nn

from nets.common.feature_levels import require_levels
from nets.layers.blocks import ConvBNAct, CSPLayer, spatial_conv


class PAFPN(nn.Module):
    """A path aggregation network over three levels, which keep their sizes and channels.

    channels   channels of the backbone's features, finest first
    depth      multiplier of the number of bottlenecks
    separable  whether 3x3 convolutions are depthwise separable

    "down" in an attribute name means to a coarser level.
    """

    def __init__(self, channels: Sequence[int], depth: float, separable: bool = False) -> None:
        super().__init__()
        fine, middle, coarse = require_levels(channels, 3, "pafpn")
        csp = partial(CSPLayer, depth=round(3 * depth), shortcut=False, separable=separable)
        self.channels = tuple(channels)
        self.upsample = nn.Upsample(scale_factor=2, mode="nearest")
        self.lateral_coarse = ConvBNAct(coarse, middle, 1)
        self.pyramid_middle = csp(2 * middle, middle)
        self.lateral_middle = ConvBNAct(middle, fine, 1)
        self.pyramid_fine = csp(2 * fine, fine)
        self.down_fine = spatial_conv(fine, fine, 3, 2, separable)
        self.path_middle = csp(2 * fine, middle)
        self.down_middle = spatial_conv(middle, middle, 3, 2, separable)
        self.path_coarse = csp(2 * middle, coarse)

    def forward(self, features: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """Map features [B, C, H, W], finest level first, to features of the same sizes with `channels`."""
        fine, middle, coarse = features
        coarse = self.lateral_coarse(coarse)
        middle = self.pyramid_middle(torch.cat((self.upsample(coarse), middle), dim=1))
        middle = self.lateral_middle(middle)
        fine = self.pyramid_fine(torch.cat((self.upsample(middle), fine), dim=1))
        middle = self.path_middle(torch.cat((self.down_fine(fine), middle), dim=1))
        coarse = self.path_coarse(torch.cat((self.down_middle(middle), coarse), dim=1))
        return fine, middle, coarse
