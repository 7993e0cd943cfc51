"""Optimizers with parameter groups by part and stage of the detector."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Literal

import torch
from torch import Tensor, nn

from nets.common.detector import Detector
from nets.inspect.stages import parts_as_stages, stages_of
from utils.train.muon import Muon

ADAMW_STATE = ("step", "exp_avg", "exp_avg_sq")
OptimizerName = Literal["sgd", "adamw", "muon"]


def build_optimizer(
    detector: Detector,
    name: OptimizerName,
    momentum: float,
    weight_decay: float,
    layer_decay: float = 1.0,
    by_stage: bool = False,
) -> torch.optim.Optimizer:
    """Build SGD (Nesterov), AdamW or Muon for all parameters; the learning rate is set before each step.

    Every group has the keys "part", "stage" (of the backbone; 0 for a part as a whole), "names" of its
    parameters, and "scale", a factor on the learning rate: `layer_decay` to the power of the distance from
    the head in stages, as in ELECTRA (https://arxiv.org/abs/2003.10555). The backbone is divided into stages
    if `layer_decay` is not 1, or `by_stage`. BatchNorm weights and biases get no weight decay: it would pull
    the single value of a channel towards switching the channel off.
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
    for group in optimizer.param_groups:  # SGD would not create them in a skipped step
        for parameter in group["params"]:
            optimizer.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    return optimizer


def restore_optimizer(optimizer: torch.optim.Optimizer, saved: dict[str, Any]) -> None:
    """Restore the state of each parameter by its name, and the learning rates of the last step.

    Settings stay those of `optimizer`: a run can resume with another weight decay or another division into
    stages. The learning rates are needed to log an epoch whose steps were all done before. ValueError if the
    saved state is not that of the same parameters.
    """
    numbers: dict[str, int] = {}
    rates: dict[str, float] = {}
    for group in saved["param_groups"]:
        numbers |= dict(zip(group["names"], group["params"], strict=True))
        rates |= dict.fromkeys(group["names"], group["lr"])
    _check_saved(optimizer, saved["state"], numbers)
    groups = [g | {"lr": rates[g["names"][0]]} for g in optimizer.state_dict()["param_groups"]]
    saved_numbers = {
        number: numbers[name] for g in groups for name, number in zip(g["names"], g["params"], strict=True)
    }
    state = {to: saved["state"][old] for to, old in saved_numbers.items() if old in saved["state"]}
    optimizer.load_state_dict({"state": state, "param_groups": groups})


def _check_saved(
    optimizer: torch.optim.Optimizer, state: dict[int, dict[str, Any]], numbers: dict[str, int]
) -> None:
    """Raise ValueError unless the state has what the optimizer needs, in the shape of each parameter."""
    for group in optimizer.param_groups:
        for name, parameter in zip(group["names"], group["params"], strict=True):
            if name not in numbers:
                raise ValueError(f"the optimizer's state lacks {name}")
            values = state.get(numbers[name])
            if values is None:  # no step so far
                continue
            needed = optimizer.state.get(parameter) or dict.fromkeys(ADAMW_STATE)
            for key in needed:
                value = values.get(key)
                shape = parameter.shape if key != "step" else torch.Size()
                if not isinstance(value, Tensor) or value.shape != shape:
                    raise ValueError(f"the optimizer's state of {name} has no {key} of its shape")


def split_by_decay(parameters: Iterable[nn.Parameter]) -> tuple[list[nn.Parameter], list[nn.Parameter]]:
    """Return the parameters with weight decay (kernels) and those without (norms and biases)."""
    listed = list(parameters)
    return [p for p in listed if p.ndim > 1], [p for p in listed if p.ndim <= 1]


def hidden_matrices(detector: Detector) -> dict[Tensor, int]:
    """Return the kernels that Muon updates, with the number of matrices in each: one per convolution group.

    Depthwise convolutions are excluded, as their matrices are single rows, and so are prediction layers, as
    Muon's author advises: layers of the head with a bias that no norm or activation follows in a sequence.
    That also excludes the two large matrices in Faster R-CNN's head.
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
    """Convolutions and linear layers that no module follows in an `nn.Sequential`."""
    children: Sequence[nn.Module] = [*module.children()]
    for child in children[-1:] if isinstance(module, nn.Sequential) else children:
        if isinstance(child, (nn.Conv2d, nn.Linear)):
            yield child
        yield from _last_layers(child)


def _groups(
    parameters: Sequence[nn.Parameter], weight_decay: float, hidden: dict[Tensor, int]
) -> list[dict[str, Any]]:
    """Parameter groups by weight decay, and those of `hidden` by their number of matrices."""
    decayed, plain = split_by_decay(parameters)
    groups: list[dict[str, Any]] = []
    for matrices in sorted({hidden.get(p, 0) for p in decayed}, reverse=True):
        alike = [p for p in decayed if hidden.get(p, 0) == matrices]
        groups.append(
            {"params": alike, "weight_decay": weight_decay} | ({"matrices": matrices} if hidden else {})
        )
    groups.append({"params": plain, "weight_decay": 0.0})
    return [group for group in groups if group["params"]]
