"""Convolution blocks shared by the networks.

YOLOX: Exceeding YOLO Series in 2021, https://arxiv.org/abs/2107.08430
CSPNet, https://arxiv.org/abs/1911.11929; spatial pyramid pooling, https://arxiv.org/abs/1406.4729
"""

from collections.abc import Callable

import torch
from torch import Tensor, nn
from torch.nn import functional as F

BN_EPS = 1e-3
BN_MOMENTUM = 0.03


class SiLU(nn.SiLU):
    """x * sigmoid(x), in place if x needs no gradient.

    If x needs one, an in-place operation would first copy x: 4 % of a training step on a CPU.
    """

    def forward(self, x: Tensor) -> Tensor:
        return F.silu(x, inplace=not x.requires_grad)


class StridedDepthwiseConv(nn.Conv2d):
    """A strided depthwise convolution, computed in float32 when training on a CPU under autocast.

    oneDNN has no fast bfloat16 gradient for this convolution: 7.5 ms instead of .8 for [8, 16, 160, 160], in
    total an eighth of a training step of YOLOX-nano.
    """

    def forward(self, x: Tensor) -> Tensor:
        if x.device.type != "cpu" or not torch.is_grad_enabled():
            return super().forward(x)
        with torch.autocast("cpu", enabled=False):
            return super().forward(x.float())


class ConvBNAct(nn.Module):
    """Convolution, BatchNorm and activation: [B, inputs, H, W] -> [B, outputs, H / stride, W / stride]."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        kernel: int,
        stride: int = 1,
        groups: int = 1,
        activation: Callable[[], nn.Module] = SiLU,
        eps: float = BN_EPS,
    ) -> None:
        super().__init__()
        padding = (kernel - 1) // 2
        kind = StridedDepthwiseConv if stride > 1 and groups == inputs > 1 else nn.Conv2d
        self.conv = kind(inputs, outputs, kernel, stride, padding, groups=groups, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=eps, momentum=BN_MOMENTUM)
        self.act = activation()

    def forward(self, x: Tensor) -> Tensor:
        return self.act(self.bn(self.conv(x)))


class SeparableConv(nn.Module):
    """A depthwise separable convolution: a depthwise and then a pointwise `ConvBNAct`."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int = 1) -> None:
        super().__init__()
        self.depthwise = ConvBNAct(inputs, inputs, kernel, stride, groups=inputs)
        self.pointwise = ConvBNAct(inputs, outputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.depthwise(x))


def spatial_conv(inputs: int, outputs: int, kernel: int, stride: int, separable: bool) -> nn.Module:
    """Return a block with a depthwise separable convolution (for nano networks) or with a full one."""
    return (SeparableConv if separable else ConvBNAct)(inputs, outputs, kernel, stride)


def spatial_convs(channels: int, depth: int, separable: bool) -> nn.Sequential:
    """Return a sequence of `depth` 3x3 blocks that keep size and channels; see `spatial_conv`."""
    return nn.Sequential(*[spatial_conv(channels, channels, 3, 1, separable) for _ in range(depth)])


class Focus(nn.Module):
    """Space-to-depth of each 2x2 block of pixels, then a convolution: half the resolution without loss."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = ConvBNAct(4 * inputs, outputs, kernel)

    def forward(self, x: Tensor) -> Tensor:
        """Map [B, inputs, H, W] to [B, outputs, H/2, W/2]."""
        upper, lower = x[..., ::2, :], x[..., 1::2, :]
        blocks = upper[..., ::2], lower[..., ::2], upper[..., 1::2], lower[..., 1::2]
        return self.conv(torch.cat(blocks, dim=1))


class Bottleneck(nn.Module):
    """A 1x1 convolution, then a 3x3 one; adds the input if `shortcut`."""

    def __init__(self, channels: int, shortcut: bool, separable: bool) -> None:
        super().__init__()
        self.reduce = ConvBNAct(channels, channels, 1)
        self.spatial = spatial_conv(channels, channels, 3, 1, separable)
        self.shortcut = shortcut

    def forward(self, x: Tensor) -> Tensor:
        y = self.spatial(self.reduce(x))
        return x + y if self.shortcut else y


class CSPLayer(nn.Module):
    """A cross-stage partial layer: half of the channels pass through bottlenecks, half bypass them."""

    def __init__(self, inputs: int, outputs: int, depth: int, shortcut: bool, separable: bool) -> None:
        super().__init__()
        hidden = outputs // 2
        self.main = ConvBNAct(inputs, hidden, 1)
        self.bypass = ConvBNAct(inputs, hidden, 1)
        self.merge = ConvBNAct(2 * hidden, outputs, 1)
        self.blocks = nn.Sequential(*(Bottleneck(hidden, shortcut, separable) for _ in range(depth)))

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat((self.blocks(self.main(x)), self.bypass(x)), dim=1))


def csp_stage(inputs: int, outputs: int, depth: int, separable: bool) -> nn.Sequential:
    """Return a stage of CSPDarknet: a 3x3 convolution that halves the resolution, then a CSP layer."""
    return nn.Sequential(
        spatial_conv(inputs, outputs, 3, 2, separable),
        CSPLayer(outputs, outputs, depth, shortcut=True, separable=separable),
    )


class SPP(nn.Module):
    """Spatial pyramid pooling: the features concatenated with their maxima over 5x5, 9x9 and 13x13 cells.

    hidden  number of channels that are pooled; default: half of `inputs`
    """

    def __init__(self, inputs: int, outputs: int, hidden: int | None = None) -> None:
        super().__init__()
        hidden = hidden or inputs // 2
        self.reduce = ConvBNAct(inputs, hidden, 1)
        self.merge = ConvBNAct(4 * hidden, outputs, 1)
        self.pool = nn.MaxPool2d(5, stride=1, padding=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.merge(torch.cat(pooled_pyramid(self.reduce(x), self.pool), dim=1))


def pooled_pyramid(x: Tensor, pool: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return the features and their maxima over 5x5, 9x9 and 13x13 cells; `pool` is the 5x5 max pooling.

    Applying 5x5 max pooling twice equals 9x9 max pooling, and so on, for a third of the work.
    """
    pool5 = pool(x)
    pool9 = pool(pool5)
    return x, pool5, pool9, pool(pool9)
