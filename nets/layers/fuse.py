"""Layer fusion for inference: the same function with fewer operations.

In evaluation, BatchNorm is an affine map per channel, which can be folded into the preceding convolution.
Parallel convolutions are merged into one: RepVGG, https://arxiv.org/abs/2101.03697.
"""

from itertools import pairwise
from typing import TypeVar

from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_weights
from torchvision.ops import FrozenBatchNorm2d

from nets.layers.blocks import StridedDepthwiseConv
from nets.layers.gelan_blocks import RepConv

ModuleT = TypeVar("ModuleT", bound=nn.Module)
CONVOLUTIONS = (nn.Conv2d, StridedDepthwiseConv)
NORMS = (nn.BatchNorm2d, FrozenBatchNorm2d)


def fused(model: ModuleT) -> ModuleT:
    """Fuse the layers of `model` in place, for inference only, and return `model`.

    A BatchNorm is folded into the convolution just before it among a module's children; all others stay.
    """
    model.eval().requires_grad_(False)
    for module in list(model.modules()):
        for (_, conv), (name, norm) in pairwise(list(module.named_children())):
            if _fold(conv, norm):
                setattr(module, name, nn.Identity())
    for module in list(model.modules()):
        for name, part in module.named_children():
            if isinstance(part, RepConv):
                setattr(module, name, nn.Sequential(part.merged(), part.act))
    return model


def _fold(conv: nn.Module, norm: nn.Module) -> bool:
    """Fold `norm` into `conv` if possible; return whether it was."""
    # Exact types only: subclasses may do more.
    if type(conv) not in CONVOLUTIONS or type(norm) not in NORMS:
        return False
    assert isinstance(conv, nn.Conv2d) and isinstance(norm, nn.BatchNorm2d | FrozenBatchNorm2d)
    mean, variance = norm.get_buffer("running_mean"), norm.get_buffer("running_var")
    if conv.out_channels != len(mean):
        return False
    values = mean, variance, norm.eps, norm.weight, norm.bias
    conv.weight, conv.bias = fuse_conv_bn_weights(conv.weight, conv.bias, *values)
    return True
