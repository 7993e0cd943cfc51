"""Blocks of the Darknet family, with its activations and its BatchNorm epsilon.

YOLOv3: https://arxiv.org/abs/1804.02767; YOLOv4: https://arxiv.org/abs/2004.10934
"""

from collections.abc import Callable
from functools import partial

from torch import Tensor, nn
from torch.nn import functional as F

from nets.layers.blocks import ConvBNAct

LEAKY = partial(nn.LeakyReLU, 0.1, inplace=True)
DARKNET_BN_EPS = 1e-6  # as in Darknet; 1e-5 changes the outputs of the published tiny network by .005


class Mish(nn.Mish):
    """x * tanh(log(1 + e^x)), https://arxiv.org/abs/1908.08681; in place if x needs no gradient."""

    def forward(self, x: Tensor) -> Tensor:
        return F.mish(x, inplace=not x.requires_grad)


def conv(
    inputs: int, outputs: int, kernel: int, stride: int = 1, activation: Callable[[], nn.Module] = LEAKY
) -> ConvBNAct:
    """Return a convolution with BatchNorm and an activation (default: leaky ReLU)."""
    return ConvBNAct(inputs, outputs, kernel, stride, activation=activation, eps=DARKNET_BN_EPS)


class Residual(nn.Module):
    """A residual block: a 1x1 convolution, then a 3x3 one, plus the input."""

    def __init__(self, channels: int, hidden: int, activation: Callable[[], nn.Module] = LEAKY) -> None:
        super().__init__()
        self.reduce = conv(channels, hidden, 1, activation=activation)
        self.spatial = conv(hidden, channels, 3, activation=activation)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spatial(self.reduce(x))


def alternating_convs(inputs: int, outputs: int, depth: int = 5) -> nn.Sequential:
    """Return `depth` convolutions: 1x1 to `outputs` channels, alternating with 3x3 to twice as many."""
    layers: list[nn.Module] = [conv(inputs, outputs, 1)]
    for _ in range(depth // 2):
        layers += [conv(outputs, 2 * outputs, 3), conv(2 * outputs, outputs, 1)]
    return nn.Sequential(*layers)
