"""What a detector takes: layers, parameters, operations and memory by part, and its levels.

Counted are convolutions and matrix products, and BatchNorm as four operations an element (minus the mean,
over the deviation, times the weight, plus the bias): this gives the figures that the papers publish.
"""

from contextlib import ExitStack
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.utils.flop_counter import FlopCounterMode

from nets.common.detector import PARTS, Detector
from nets.common.structures import Level


class Summary(NamedTuple):
    """Figures by part for one image, and the levels of predictions.

    layers            modules with a matrix of weights: convolutions, as a rule
    parameters        numbers that are trained
    gflops            1e9 operations, multiply and add apart
    activation_bytes  of the outputs of all modules without modules inside, as float32; training keeps most of
                      them for the gradient
    levels            finest first; empty if the raw outputs have none
    """

    layers: dict[str, int]
    parameters: dict[str, int]
    gflops: dict[str, float]
    activation_bytes: dict[str, int]
    levels: tuple[Level, ...]


def summarise(detector: Detector, image_size: tuple[int, int]) -> Summary:
    """Count what a forward pass of one image of `image_size` (height, width) takes. Changes nothing."""
    parts = {part: getattr(detector, part) for part in PARTS}
    norm_flops, activation_bytes = dict.fromkeys(PARTS, 0), dict.fromkeys(PARTS, 0)
    counter = FlopCounterMode(display=False)
    images = torch.zeros(1, 3, *image_size, dtype=torch.uint8, device=next(detector.parameters()).device)
    with ExitStack() as until_done:
        until_done.callback(detector.train, detector.training)
        for part, module in parts.items():
            for leaf in _leaves(module):
                counting = _counting(part, activation_bytes, norm_flops)
                until_done.enter_context(leaf.register_forward_hook(counting))
        detector.eval()
        with torch.no_grad(), counter:
            raw = detector(images)
    counts = counter.get_flop_counts()
    root = type(detector).__name__
    return Summary(
        {part: sum(map(_is_layer, module.modules())) for part, module in parts.items()},
        {part: sum(p.numel() for p in module.parameters()) for part, module in parts.items()},
        {part: (sum(counts.get(f"{root}.{part}", {}).values()) + norm_flops[part]) / 1e9 for part in PARTS},
        activation_bytes,
        tuple(getattr(raw, "levels", ())),
    )


def _leaves(module: nn.Module) -> list[nn.Module]:
    return [inner for inner in module.modules() if not any(inner.children())]


def _is_layer(module: nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters(recurse=False))


def _counting(part: str, activation_bytes: dict[str, int], norm_flops: dict[str, int]) -> Any:
    """A hook that adds up what a module gives out, and the operations of BatchNorm.

    These not by the operation that it runs as, which changes with the version of torch and the device.
    """

    def count(module: nn.Module, inputs: Any, output: Any) -> None:
        outputs = output if isinstance(output, tuple | list) else (output,)
        elements = sum(x.numel() for x in outputs if isinstance(x, Tensor))
        activation_bytes[part] += 4 * elements
        if isinstance(module, _BatchNorm):
            norm_flops[part] += 4 * elements

    return count
