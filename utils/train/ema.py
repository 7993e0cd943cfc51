"""The exponential moving average (EMA) of the weights, which nearly always scores better than the weights."""

import copy
import math
from itertools import chain
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

ModelT = TypeVar("ModelT", bound=nn.Module)


class EMA(Generic[ModelT]):
    """Exponential moving average of a model's weights and BatchNorm statistics.

    `module` is the averaged model: evaluate and save that. The model must keep its tensors from then on. The
    decay follows the length of the run, as an average over 2000 steps would hardly move in a run of 400: it
    averages over about `share` of all steps, with a decay of at most `max_decay`, and ramps up at the start,
    when old weights are poor.
    """

    def __init__(
        self, model: ModelT, total_steps: int, max_decay: float = 0.9998, share: float = 0.05
    ) -> None:
        self.module: ModelT = copy.deepcopy(model).eval().requires_grad_(False)
        self.max_decay, self.share = max_decay, share
        self.set_length(total_steps)
        self.steps = 0
        # Listed once: doing so at each step took longer than the averaging itself.
        self._averaged, self._current = _tensors(self.module), _tensors(model)

    def set_length(self, total_steps: int) -> None:
        """Set the number of steps of the run."""
        self.decay = min(self.max_decay, 1 - 1 / max(total_steps * self.share, 2))
        self.ramp = min(2000.0, max(total_steps * self.share, 1))

    @torch.no_grad()
    def update(self) -> None:
        """Update the average with the model's weights after a step."""
        self.steps += 1
        decay = self.decay * (1 - math.exp(-self.steps / self.ramp))
        torch._foreach_lerp_(self._averaged[True], self._current[True], 1 - decay)
        torch._foreach_copy_(self._averaged[False], self._current[False])


def _tensors(model: nn.Module) -> dict[bool, list[Tensor]]:
    """Parameters and buffers, by whether they are floating-point."""
    found: dict[bool, list[Tensor]] = {True: [], False: []}
    for tensor in chain(model.parameters(), model.buffers()):
        found[tensor.is_floating_point()].append(tensor)
    return found
