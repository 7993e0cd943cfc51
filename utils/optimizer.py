"""Optimizers whose parameter groups say which part of the detector they belong to."""

from typing import Literal

import torch
from torch import nn

from nets.detector import PARTS, Detector

OptimizerName = Literal["sgd", "adamw"]


def build_optimizer(
    detector: Detector, name: OptimizerName, momentum: float, weight_decay: float
) -> torch.optim.Optimizer:
    """SGD (Nesterov) or AdamW over all parameters; the learning rate is set before each step.

    Every group has a key "part". BatchNorm weights and all biases get no weight decay: they have one
    value a channel, which decay would pull towards switching the channel off.
    """
    groups = []
    for part in PARTS:
        decayed, plain = split_by_decay(getattr(detector, part))
        groups.append({"params": decayed, "weight_decay": weight_decay, "part": part})
        groups.append({"params": plain, "weight_decay": 0.0, "part": part})
    groups = [group for group in groups if group["params"]]
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=(momentum, 0.999), fused=True)
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=True, fused=True)
    for group in optimizer.param_groups:  # which it does not make itself in a step that is left out
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def split_by_decay(module: nn.Module) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters that weight decay is for (kernels), and those that it is not for (norms and biases)."""
    parameters = list(module.parameters())
    return [p for p in parameters if p.ndim > 1], [p for p in parameters if p.ndim <= 1]
