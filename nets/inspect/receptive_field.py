"""The theoretical receptive field: the pixels of the input that a prediction depends on.

It is measured on the network itself instead of derived from its layers, so it works for every network: in a
copy, each layer is replaced by an average of its inputs; the gradient of a prediction is then positive at the
pixels that it depends on, and 0 elsewhere. https://distill.pub/2019/computing-receptive-fields/
"""

import copy
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules import activation, batchnorm, dropout, normalization

from nets.common.detector import Detector
from nets.common.structures import RawOutputs

FIRST_LENGTH = 1024  # first input length in pixels; doubled while a receptive field reaches the borders
MAX_LENGTH = 8192
# Layers that act on each position separately, or are treated as if they did.
_POINTWISE = (batchnorm._NormBase, normalization.GroupNorm, normalization.LayerNorm, dropout._DropoutNd)

Extent = tuple[int, int]  # height and width in pixels


def receptive_fields(detector: Detector) -> tuple[Extent | None, ...]:
    """Return the receptive field of a prediction in the middle of each feature level, finest first.

    None for a level whose predictions depend on the whole image at every size. Empty if the raw outputs have
    no levels (`RawOutputs`). The fields of neighbouring cells can differ by a few pixels where features are
    upsampled. The detector may be on the meta device; it is not changed.
    """
    network = _averaging(detector)
    heights, widths = (_extents(network, detector.stride, axis) for axis in (2, 3))
    return tuple(
        None if height is None or width is None else (height, width)
        for height, width in zip(heights, widths, strict=True)
    )


class _Marked(torch.autograd.Function):
    """The identity, with a gradient of 1 where the gradient of its output is positive, else 0.

    Without it, a corner pixel's gradient through 100 layers of 3x3 would be 9^-100, which is 0 in float32.
    """

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        return (gradient > 0).to(gradient.dtype)


class _Average(nn.Module):
    """A convolution with equal weights: the mean over channels and kernel, copied to each output channel."""

    def __init__(self, conv: nn.Conv2d) -> None:
        super().__init__()
        self.conv = [conv]  # in a list, so that its weights are not registered

    def forward(self, x: Tensor) -> Tensor:
        (conv,) = self.conv
        groups, per_group = conv.groups, conv.in_channels // conv.groups
        x = _Marked.apply(x).unflatten(1, (groups, per_group)).sum(dim=2)
        weight = 1 / (per_group * conv.kernel_size[0] * conv.kernel_size[1])
        kernel = x.new_full((groups, 1, *conv.kernel_size), weight)
        x = F.conv2d(x, kernel, None, conv.stride, conv.padding, conv.dilation, groups)
        return x.unsqueeze(2).expand(-1, -1, conv.out_channels // groups, -1, -1).flatten(1, 2)


def _averaging(detector: Detector) -> Detector:
    """Return a copy of the detector that is linear with positive weights."""
    network = copy.deepcopy(detector).requires_grad_(False).eval()
    for parent in [*network.modules()]:
        for name, child in [*parent._modules.items()]:  # named_children skips modules that are used twice
            if child is not None:
                setattr(parent, name, _averaged(child))
    network.to_empty(device="cpu").float()
    for tensor in (*network.parameters(), *network.buffers()):
        tensor.fill_(1 / tensor[0].numel() if tensor.ndim > 1 else 1)
    return network


def _averaged(module: nn.Module) -> nn.Module:
    """Return a replacement with the same receptive field and a positive gradient, or else `module` itself."""
    if isinstance(module, nn.Conv2d):
        return _Average(module)
    if isinstance(module, nn.MaxPool2d):
        assert module.dilation in (1, (1, 1)), "AvgPool2d has no dilation"
        return nn.AvgPool2d(module.kernel_size, module.stride, module.padding, module.ceil_mode)
    is_activation = type(module).__module__ == activation.__name__ and not any(module.children())
    return nn.Identity() if is_activation or isinstance(module, _POINTWISE) else module


def _extents(network: Detector, stride: int, axis: int) -> list[int | None]:
    """Return the receptive field of each level along `axis`: 2 for the height, 3 for the width."""
    length = FIRST_LENGTH
    extents = _extents_within(network, stride, axis, length)
    while None in extents and length < MAX_LENGTH:
        length *= 2
        extents = _extents_within(network, stride, axis, length)
    return extents


def _extents_within(network: Detector, stride: int, axis: int, length: int) -> list[int | None]:
    """Return the receptive fields in a strip of `length` pixels; None for those that reach the border."""
    shape = [1, 3, stride, stride]
    shape[axis] = length // stride * stride
    image = torch.ones(shape, requires_grad=True)
    raw = network.head(network.neck(network.backbone(image)))
    extents: list[int | None] = []
    for prediction in _middle_predictions(raw, axis):
        (gradient,) = torch.autograd.grad(prediction, image, retain_graph=True)
        seen = gradient.movedim(axis, 0).flatten(1).any(dim=1).nonzero().flatten().tolist()
        inside = seen[0] > 0 and seen[-1] < shape[axis] - 1
        extents.append(seen[-1] - seen[0] + 1 if inside else None)
    return extents


def _middle_predictions(raw: RawOutputs, axis: int) -> Iterator[Tensor]:
    """Yield for each level the sum of all predictions in its middle row (axis 2) or column (axis 3)."""
    cells = sum(level.rows * level.columns for level in raw.levels)
    first = 0
    for rows, columns, _ in raw.levels:
        numbers = torch.arange(first, first + rows * columns).view(rows, columns)
        middle = numbers[rows // 2] if axis == 2 else numbers[:, columns // 2]
        outputs = [x for x in raw if isinstance(x, Tensor) and x.requires_grad and x.shape[1] % cells == 0]
        yield torch.stack([x.unflatten(1, (cells, -1))[:, middle].sum() for x in outputs]).sum()
        first += rows * columns
