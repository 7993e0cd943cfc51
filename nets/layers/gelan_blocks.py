"""Blocks of YOLOv9: GELAN with reparametrised convolutions, and its downsampling.

GELAN: YOLOv9, https://arxiv.org/abs/2402.13616; ELAN: https://arxiv.org/abs/2211.04800
Reparametrised convolutions: RepVGG, https://arxiv.org/abs/2101.03697
"""

import torch
from torch import Tensor, nn

from nets.layers.blocks import ConvBNAct, CSPLayer, SiLU


class RepConv(nn.Module):
    """A 3x3 and a 1x1 convolution in parallel, each with BatchNorm, summed before the activation.

    Both branches are linear, so one 3x3 convolution can replace them for inference.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.spatial = ConvBNAct(inputs, outputs, 3, activation=nn.Identity)
        self.pointwise = ConvBNAct(inputs, outputs, 1, activation=nn.Identity)
        self.act = SiLU()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.spatial(x) + self.pointwise(x))

    def merged(self) -> nn.Conv2d:
        """Return the sum of both convolutions as one 3x3 convolution; BatchNorms must be folded before."""
        conv, centre = self.spatial.conv, self.pointwise.conv
        assert conv.bias is not None and centre.bias is not None, "BatchNorm is folded"
        conv.weight[:, :, 1:2, 1:2] += centre.weight
        conv.bias += centre.bias
        return conv


class RepBottleneck(nn.Module):
    """A reparametrised convolution, then a 3x3 one, plus the input."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.rep = RepConv(channels, channels)
        self.spatial = ConvBNAct(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spatial(self.rep(x))


class RepCSPLayer(CSPLayer):
    """A cross-stage partial layer of `depth` reparametrised bottlenecks."""

    def __init__(self, inputs: int, outputs: int, depth: int) -> None:
        super().__init__(inputs, outputs, 0, shortcut=True, separable=False)
        self.blocks = nn.Sequential(*(RepBottleneck(outputs // 2) for _ in range(depth)))


class ELAN(nn.Module):
    """Efficient layer aggregation: the outputs of two consecutive layers are concatenated and merged.

    A 1x1 convolution gives `hidden` channels, whose second half passes through the two layers. Each layer is
    a 3x3 convolution, preceded in GELAN by a cross-stage partial layer of `depth` bottlenecks.
    """

    def __init__(self, inputs: int, outputs: int, hidden: int, depth: int = 0) -> None:
        super().__init__()
        half = hidden // 2

        def layer() -> nn.Module:
            spatial = ConvBNAct(half, half, 3)
            return nn.Sequential(RepCSPLayer(half, half, depth), spatial) if depth else spatial

        self.split = ConvBNAct(inputs, hidden, 1)
        self.first = layer()
        self.second = layer()
        self.merge = ConvBNAct(4 * half, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.split(x)
        first = self.first(x.chunk(2, dim=1)[1])
        return self.merge(torch.cat((x, first, self.second(first)), dim=1))


class AverageDown(nn.Module):
    """Downsampling by 2: average pooling over 2 x 2 cells, then a convolution of stride 2."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.average = nn.AvgPool2d(2, stride=1)
        self.conv = ConvBNAct(inputs, outputs, 3, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.average(x))


class SplitDown(nn.Module):
    """Downsampling by 2: average pooling, then half of the channels are convolved and half max-pooled."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.average = nn.AvgPool2d(2, stride=1)
        self.spatial = ConvBNAct(inputs // 2, outputs // 2, 3, 2)
        self.maximum = nn.MaxPool2d(3, stride=2, padding=1)
        self.pointwise = ConvBNAct(inputs // 2, outputs // 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        convolved, pooled = self.average(x).chunk(2, dim=1)
        return torch.cat((self.spatial(convolved), self.pointwise(self.maximum(pooled))), dim=1)
