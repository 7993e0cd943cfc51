"""The stages of a detector, from the input to the head: what can rest, or learn at a rate of its own."""

from collections.abc import Sequence
from typing import NamedTuple

from torch import nn

from nets.common.detector import PARTS, Detector

CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)  # exactly these: a subclass may be one layer


class Stage(NamedTuple):
    """Modules that train, or rest, together.

    part        backbone, neck or head
    number      of a stage of the backbone, from 1 on; 0 where it is the whole part
    name        of its first layer, as in a state dict
    modules     what it is made of
    parameters  all of them, each once
    """

    part: str
    number: int
    name: str
    modules: tuple[nn.Module, ...]
    parameters: tuple[nn.Parameter, ...]


def whole_parts(detector: Detector) -> list[Stage]:
    """Backbone, neck and head, each as one."""
    return [_whole(detector, part) for part in PARTS]


def stages_of(detector: Detector) -> list[Stage]:
    """The stages of the backbone, finest first, then neck and head, each as one.

    A stage is a child of the backbone that has kernels, and what follows it without any, as a norm does. A
    child that wraps all the others, as in the networks of other libraries, is looked into, and so is one that
    merely holds lists of layers.
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
    return [*stages, *(_whole(detector, part) for part in PARTS[1:])]


def _whole(detector: Detector, part: str) -> Stage:
    module = getattr(detector, part)
    return Stage(part, 0, part, (module,), tuple(module.parameters()))


def _opened(modules: Sequence[nn.Module]) -> list[nn.Module]:
    """The modules, with what is inside in place of one that wraps the others or merely holds lists."""
    holders = [module for module in modules if _has_kernels(module)]
    for place, module in enumerate(modules):
        inside = [*module.children()]
        wraps = len(holders) == 1 and module is holders[0] and inside
        if wraps or _holds_lists(module):
            return _opened([*modules[:place], *inside, *modules[place + 1 :]])
    return [*modules]


def _holds_lists(module: nn.Module) -> bool:
    inside = [*module.children()]
    return type(module) in CONTAINERS and bool(inside) and all(type(child) in CONTAINERS for child in inside)


def _has_kernels(module: nn.Module) -> bool:
    return any(p.ndim > 1 for p in module.parameters())
