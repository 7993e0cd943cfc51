"""The learning rate as a pure function of the step: warm-up, the peak of each phase, and decay."""

import math
from collections.abc import Sequence
from itertools import takewhile

import torch

from utils.train.freezing import is_frozen
from utils.train.phases import Phase
from utils.train.settings import Decay


def decay_factor(progress: float, decay: Decay, floor: float = 0.05) -> float:
    """Return the factor on the peak learning rate at `progress`, 0 at the start of the run to 1 at its end.

    "cosine" falls smoothly to `floor`; "step" falls to a tenth after 70 % and to a hundredth after 90 %.
    """
    if decay == "constant":
        return 1.0
    if decay == "step":
        return 1.0 if progress < 0.7 else 0.1 if progress < 0.9 else 0.01
    return floor + (1 - floor) * (1 + math.cos(math.pi * min(progress, 1.0))) / 2


def warmup_factor(steps_trained: int, warmup_steps: int) -> float:
    """Return the factor that rises quadratically to 1 over the first `warmup_steps` steps of training."""
    return max(0.0, min(1.0, (steps_trained + 1) / max(warmup_steps, 1))) ** 2


class LRSchedule:
    """The learning rate of each parameter group of an optimizer at each step of a run.

    images         number of training images
    warmup_epochs  epochs of warm-up when a part starts to train
    decay          decay of the learning rate over the whole run
    """

    def __init__(
        self,
        optimizer: torch.optim.Optimizer,
        phases: Sequence[Phase],
        images: int,
        warmup_epochs: float,
        decay: Decay,
    ) -> None:
        self.optimizer, self.images = optimizer, images
        self.warmup_epochs, self.decay = warmup_epochs, decay
        self.set_phases(phases)

    def set_phases(self, phases: Sequence[Phase]) -> None:
        """Set the phases of the run."""
        self.phases = phases
        self.total_steps = sum(phase.epochs * self.steps_per_epoch(phase) for phase in phases)
        self.first_steps = [
            self.first_step(group["part"], group["stage"]) for group in self.optimizer.param_groups
        ]

    def steps_per_epoch(self, phase: Phase) -> int:
        """Return the optimizer steps in an epoch: one for each full batch, at least one."""
        return max(1, (phase.images or self.images) // phase.batch_size)

    def step_at(self, epoch: int, batches: int = 0) -> int:
        """Return the number of steps in so many epochs and batches."""
        step = batches
        for phase in self.phases:
            step += min(epoch, phase.epochs) * self.steps_per_epoch(phase)
            epoch -= min(epoch, phase.epochs)
        return step

    def first_step(self, part: str, stage: int = 0) -> int:
        """Return the first step where a part, or a stage of it, is not frozen: its warm-up starts."""
        frozen = takewhile(lambda phase: is_frozen(part, stage, phase.frozen), self.phases)
        return self.step_at(sum(phase.epochs for phase in frozen))

    def set_learning_rates(self, phase: Phase, step: int, factor: float = 1.0) -> None:
        """Set the learning rate of each parameter group for the coming step; 0 for frozen ones."""
        decay = decay_factor(step / self.total_steps, self.decay)
        warmup_steps = round(self.warmup_epochs * self.steps_per_epoch(phase))
        for group, first_step in zip(self.optimizer.param_groups, self.first_steps, strict=True):
            peak = factor * phase.learning_rate * decay * group["scale"]
            group["lr"] = peak * warmup_factor(step - first_step, warmup_steps)
