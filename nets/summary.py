"""Parameters and floating-point operations of a detector, by part.

Counted are convolutions and matrix products, and BatchNorm as four operations an element (minus the mean,
over the deviation, times the weight, plus the bias): this gives the figures that the papers publish.
"""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch.utils.flop_counter import FlopCounterMode

from nets.detector import PARTS, Detector


class Summary(NamedTuple):
    """parameters: count by part; gflops: 1e9 operations for one image by part, multiply and add apart."""

    parameters: dict[str, int]
    gflops: dict[str, float]


def summarise(detector: Detector, image_size: tuple[int, int]) -> Summary:
    """Count what a forward pass of one image of `image_size` (height, width) takes. Changes nothing."""
    parameters = {part: sum(p.numel() for p in getattr(detector, part).parameters()) for part in PARTS}
    device = next(detector.parameters()).device
    training = detector.training
    detector.eval()
    counter = FlopCounterMode(display=False, custom_mapping=_BATCH_NORMS)
    with torch.no_grad(), counter:
        detector(torch.zeros(1, 3, *image_size, dtype=torch.uint8, device=device))
    detector.train(training)
    counts = counter.get_flop_counts()
    root = type(detector).__name__
    gflops = {part: sum(counts.get(f"{root}.{part}", {}).values()) / 1e9 for part in PARTS}
    return Summary(parameters, gflops)


def _batch_norm_flops(shape: Sequence[int], *args: Any, **kwargs: Any) -> int:
    return 4 * math.prod(shape)


# Versions of torch from 2.6 to 2.15 run it as one or the other.
_BATCH_NORMS = {
    torch.ops.aten.native_batch_norm: _batch_norm_flops,
    torch.ops.aten._native_batch_norm_legit_no_training: _batch_norm_flops,
}
