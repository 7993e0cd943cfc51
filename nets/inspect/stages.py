"""The stages of a detector, from input to head, which can be frozen or have separate learning rates."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from nets.common.detector import Detector

MODULE_CONTAINERS = (
    nn.Sequential,
    nn.ModuleList,
    nn.ModuleDict,
)  # exact types only: a subclass may be a single layer


class Stage(NamedTuple):
    """Modules that are trained or frozen together.

    part        backbone, neck or head
    number      1-based number of the backbone stage; 0 for a whole part
    name        name of the first layer, as in the state dict
    modules     modules of the stage
    parameters  parameters of these modules, without duplicates
    """

    part: str
    number: int
    name: str
    modules: tuple[nn.Module, ...]
    parameters: tuple[nn.Parameter, ...]


def parts_as_stages(detector: Detector) -> list[Stage]:
    """Return backbone, neck and head as one stage each."""
    return [_whole_part(name, module) for name, module in detector.parts.items()]


def stages_of(detector: Detector) -> list[Stage]:
    """Return the stages of the backbone, finest first, then neck and head as one stage each.

    A stage is a child of the backbone that has kernels, together with the children without kernels that
    follow it, such as a norm. A child that wraps all others, as in networks of other libraries, is replaced
    by its own children, and so is a child that only holds lists of layers.
    """
    blocks: list[list[nn.Module]] = [[]]
    for module in _opened([*detector.backbone.children()]):
        if _has_kernels(module) and any(map(_has_kernels, blocks[-1])):
            blocks.append([])
        blocks[-1].append(module)
    within = {id(p) for block in blocks for module in block for p in module.parameters()}
    loose = [p for p in detector.backbone.parameters() if id(p) not in within]
    names = {id(module): name for name, module in detector.named_modules()}
    stages = []
    for number, block in enumerate(blocks, 1):
        first = next(filter(_has_kernels, block), None)
        name = "backbone" if first is None else names[id(first)]
        parameters = [*(loose if number == 1 else ()), *(p for module in block for p in module.parameters())]
        unique = tuple({id(p): p for p in parameters}.values())
        stages.append(Stage("backbone", number, name, tuple(block), unique))
    return [*stages, *parts_as_stages(detector)[1:]]


def _whole_part(name: str, module: nn.Module) -> Stage:
    return Stage(name, 0, name, (module,), tuple(module.parameters()))


def _opened(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """Replace a module that wraps all others, or only holds lists of layers, by its children, repeatedly."""
    holders = [module for module in modules if _has_kernels(module)]
    for position, module in enumerate(modules):
        inside = [*module.children()]
        wraps = len(holders) == 1 and module is holders[0] and inside
        if wraps or _holds_lists(module):
            return _opened([*modules[:position], *inside, *modules[position + 1 :]])
    return [*modules]


def _holds_lists(module: nn.Module) -> bool:
    inside = [*module.children()]
    return (
        type(module) in MODULE_CONTAINERS
        and bool(inside)
        and all(type(child) in MODULE_CONTAINERS for child in inside)
    )


def _has_kernels(module: nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters())
