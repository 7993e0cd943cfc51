"""The decoupled towers of YOLOX's head: separate features for classification and for box regression.

YOLOX: https://arxiv.org/abs/2107.08430
"""

import math
from collections.abc import Iterable, Sequence

from torch import Tensor, nn

from nets.layers.blocks import ConvBNAct, spatial_convs

# Initial score of 0.01 for every cell, since few cells contain an object. https://arxiv.org/abs/1708.02002
PRIOR_LOGIT = -math.log((1 - 0.01) / 0.01)


class DecoupledTowers(nn.Module):
    """A 1x1 stem per level, then two 3x3 convolutions for classes and, in parallel, two for boxes.

    All convolutions have as many output channels as the finest feature level. Subclasses add the predictors.
    """

    def __init__(self, channels: Sequence[int], strides: Sequence[int], separable: bool = False) -> None:
        super().__init__()
        hidden = channels[0]
        self.strides = tuple(strides)
        self.hidden = hidden
        self.stems = nn.ModuleList([ConvBNAct(inputs, hidden, 1) for inputs in channels])
        self.class_convs = nn.ModuleList([spatial_convs(hidden, 2, separable) for _ in channels])
        self.box_convs = nn.ModuleList([spatial_convs(hidden, 2, separable) for _ in channels])

    def predictors(self, outputs: int) -> nn.ModuleList:
        """Return a 1x1 convolution to `outputs` channels for each level."""
        return nn.ModuleList([nn.Conv2d(self.hidden, outputs, 1) for _ in self.strides])

    def towers(self, features: Sequence[Tensor]) -> list[tuple[Tensor, Tensor]]:
        """Return the class features and the box features of each level, [B, hidden, rows, columns] each."""
        towers = []
        levels = zip(features, self.stems, self.class_convs, self.box_convs, strict=True)
        for feature, stem, class_convs, box_convs in levels:
            x = stem(feature)
            towers.append((class_convs(x), box_convs(x)))
        return towers


def set_bias(convs: Iterable[nn.Module], value: float, first: int = 0) -> None:
    """Set the bias of each convolution to `value`, from channel `first` on."""
    for conv in convs:
        assert isinstance(conv, nn.Conv2d) and conv.bias is not None
        nn.init.constant_(conv.bias[first:], value)
