"""The summary of a detector: layers, parameters, operations and memory per part, and the feature levels.

Operations are counted for convolutions and matrix products, plus four per element of BatchNorm (subtract the
mean, divide by the deviation, multiply by the weight, add the bias), as in the papers.
"""

from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from nets.common.detector import PARTS, Detector
from nets.common.structures import InputSize, Level, RawOutputs


class Summary(NamedTuple):
    """Counts per part for one image, and the feature levels.

    layers            number of modules with a weight matrix, mostly convolutions
    parameters        number of trainable values
    gflops            operations in units of 1e9; a multiplication and an addition count as two
    activation_bytes  size of the outputs of all modules without children, as float32; training keeps most of
                      them for the backward pass
    levels            feature levels, finest first; empty if the raw outputs have none
    """

    layers: dict[str, int]
    parameters: dict[str, int]
    gflops: dict[str, float]
    activation_bytes: dict[str, int]
    levels: tuple[Level, ...]


def summarise(detector: Detector, image_size: InputSize) -> Summary:
    """Count layers and parameters, and operations and activations for one image of `image_size`.

    The detector may be on the meta device; it is not changed.
    """
    parts = detector.parts
    norm_flops, activation_bytes = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    counter = FlopCounterMode(display=False)
    images = torch.zeros(1, 3, *image_size, dtype=torch.uint8, device=detector.device)
    with ExitStack() as until_done:
        until_done.callback(detector.train, detector.training)
        for part, module in parts.items():
            for leaf in _leaves(module):
                counting = _counting(part, activation_bytes, norm_flops)
                until_done.enter_context(leaf.register_forward_hook(counting))
        detector.eval()
        with torch.no_grad(), counter:
            raw: RawOutputs = detector(images)
    counts = counter.get_flop_counts()
    root = type(detector).__name__
    return Summary(
        {part: sum(map(_is_layer, module.modules())) for part, module in parts.items()},
        {part: sum(p.numel() for p in module.parameters()) for part, module in parts.items()},
        {part: (sum(counts.get(f"{root}.{part}", {}).values()) + norm_flops[part]) / 1e9 for part in PARTS},
        activation_bytes,
        raw.levels,
    )


def _leaves(module: nn.Module) -> list[nn.Module]:
    return [inner for inner in module.modules() if not any(inner.children())]


def _is_layer(module: nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def _counting(
    part: str, activation_bytes: dict[str, int], norm_flops: dict[str, int]
) -> Callable[[nn.Module, object, object], None]:
    """Return a forward hook that counts the output elements of modules, and the operations of BatchNorm.

    BatchNorm is counted by its outputs, since its kernel depends on the torch version and the device.
    """

    def count(module: nn.Module, inputs: object, output: object) -> None:
        outputs = output if isinstance(output, tuple | list) else (output,)
        elements = sum(x.numel() for x in outputs if isinstance(x, Tensor))
        activation_bytes[part] += 4 * elements
        if isinstance(module, _BatchNorm):
            norm_flops[part] += 4 * elements

    return count
