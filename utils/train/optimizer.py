"""Optimizers whose parameter groups say which part of the detector they belong to."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nets.common.detector import Detector
from nets.inspect.stages import parts_as_stages, stages_of
from utils.train.muon import Muon

OptimizerName = Literal["sgd", "adamw", "muon"]


def build_optimizer(
    detector: Detector,
    name: OptimizerName,
    momentum: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    by_stage: bool = False,
) -> torch.optim.Optimizer:
    """SGD (Nesterov), AdamW or Muon over all parameters; the learning rate is set before each step.

    Every group has the keys "part", "stage" (the stage of the backbone, 0 where the part is not divided),
    "names" of its parameters, and "scale", what the learning rate is multiplied by: `layer_decay` to the
    power of how many stages away the head is, as in ELECTRA (https://arxiv.org/abs/2003.10555). The backbone
    is divided into stages where their rates differ, or `by_stage`. BatchNorm weights and all biases get no
    weight decay: they have one value a channel, which decay would pull towards switching the channel off.
    """
    stages = stages_of(detector) if by_stage or layer_decay != 1 else parts_as_stages(detector)
    hidden = hidden_matrices(detector) if name == "muon" else {}
    groups = []
    for depth, stage in zip(reversed(range(len(stages))), stages, strict=True):  # the head is at depth 0
        own = {"part": stage.part, "stage": stage.number, "scale": layer_decay**depth}
        groups += [group | own for group in _groups(stage.parameters, weight_decay, hidden)]
    names = {parameter: name for name, parameter in detector.named_parameters()}
    for group in groups:
        group["names"] = [names[parameter] for parameter in group["params"]]
    if name == "muon":
        return Muon(groups, lr=0.0, momentum=momentum)
    if name == "adamw":
        return torch.optim.AdamW(groups, lr=0.0, betas=(momentum, 0.999), fused=True)
    optimizer = torch.optim.SGD(groups, lr=0.0, momentum=momentum, nesterov=True, fused=True)
    for group in optimizer.param_groups:  # which it does not make itself in a step that is left out
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Put back the state of each parameter, found by its name, and the rates of the last step.

    Settings stay those of the optimizer, so a run can go on with another weight decay, or with other stages
    that are told apart. The rates are for the figures of an epoch whose steps were all done.
    """
    numbers = {
        name: number
        for group in saved["param_groups"]
        for name, number in zip(group["names"], group["params"], strict=True)
    }
    rates = {name: group["lr"] for group in saved["param_groups"] for name in group["names"]}
    groups = [g | {"lr": rates[g["names"][0]]} for g in optimizer.state_dict()["param_groups"]]
    places = {
        number: numbers[name] for g in groups for name, number in zip(g["names"], g["params"], strict=True)
    }
    state = {to: saved["state"][found] for to, found in places.items() if found in saved["state"]}
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def split_by_decay(parameters: Iterable[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Parameters that weight decay is for (kernels), and those that it is not for (norms and biases)."""
    listed = list(parameters)
    return [p for p in listed if p.ndim > 1], [p for p in listed if p.ndim <= 1]


def hidden_matrices(detector: Detector) -> dict[Tensor, int]:
    """The kernels that Muon is for, and how many matrices each is: one for each group of a convolution.

    Not those of depthwise convolutions, whose matrices are single rows, and not those of prediction layers,
    as Muon's author advises. As such count the layers of the head that have a bias and that nothing follows
    in a sequence, as a norm or an activation would; so do the two large matrices in Faster R-CNN's head.
    """
    predictions = {layer for layer in _last_layers(detector.head) if layer.bias is not None}
    found: dict[Tensor, int] = {}
    for layer in detector.modules():
        if isinstance(layer, (nn.Conv2d, nn.Linear)) and layer not in predictions:
            matrices = layer.groups if isinstance(layer, nn.Conv2d) else 1
            rows, columns = layer.weight.shape[0] // matrices, layer.weight[0].numel()
            depthwise = matrices > 1 and layer.weight.shape[1] == 1
            if rows > 1 and columns > 1 and not depthwise:
                found[layer.weight] = matrices
    return found


def _last_layers(module: nn.Module) -> Iterator[nn.Conv2d | nn.Linear]:
    """Convolutions and matrices that no module follows in an `nn.Sequential`."""
    children: Sequence[nn.Module] = [*module.children()]
    for child in children[-1:] if isinstance(module, nn.Sequential) else children:
        if isinstance(child, (nn.Conv2d, nn.Linear)):
            yield child
        yield from _last_layers(child)


def _groups(
    parameters: Sequence[nn.Parameter], weight_decay: float, hidden: dict[Tensor, int]
) -> list[dict[str, Any]]:
    """Groups of parameters that change alike; those of `hidden` by the number of their matrices."""
    decayed, plain = split_by_decay(parameters)
    groups: list[dict[str, Any]] = []
    for matrices in sorted({hidden.get(p, 0) for p in decayed}, reverse=True):
        alike = [p for p in decayed if hidden.get(p, 0) == matrices]
        groups.append(
            {"params": alike, "weight_decay": weight_decay} | ({"matrices": matrices} if hidden else {})
        )
    groups.append({"params": plain, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
