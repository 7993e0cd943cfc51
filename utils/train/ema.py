"""A moving average of the weights: smoother, and nearly always better, than the weights of the last step."""

import copy
import math
from itertools import chain
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

M = TypeVar("M", bound=nn.Module)


class EMA(Generic[M]):
    """Exponential moving average of a model's weights and BatchNorm statistics.

    `module` is the averaged model: evaluate and save that. The model keeps its tensors from then on. Decay
    follows the length of the run: an average over 2000 steps has not moved at all at the end of a run of 400.
    So the average reaches over about `share` of all steps, at most `max_decay`, and it ramps up at the start,
    when old weights are bad.
    """

    def __init__(self, model: M, total_steps: int, max_decay: float = 0.9998, share: float = 0.05) -> None:
        self.module: M = copy.deepcopy(model).eval().requires_grad_(False)
        self.decay = min(max_decay, 1 - 1 / max(total_steps * share, 2))
        self.ramp = min(2000.0, max(total_steps * share, 1))
        self.steps = 0
        # Looked for once: in each step it took longer than the average itself.
        self._averaged, self._current = _tensors(self.module), _tensors(model)

    @torch.no_grad()
    def update(self) -> None:
        """Take in the model's weights after a step."""
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps / self.ramp))
        torch._foreach_lerp_(self._averaged[True], self._current[True], 1 - decay)
        torch._foreach_copy_(self._averaged[False], self._current[False])


def _tensors(model: nn.Module) -> dict[bool, list[Tensor]]:
    """Parameters and buffers, by whether they are of floating point."""
    found: dict[bool, list[Tensor]] = {True: [], False: []}
    for tensor in chain(model.parameters(), model.buffers()):
        found[tensor.is_floating_point()].append(tensor)
    return found
