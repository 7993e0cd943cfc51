"""The state of an epoch in progress, and the result of a finished one."""

import math
from dataclasses import dataclass, field, replace

from torch import Tensor

from utils.loader.batch import Batch
from utils.system.memory import MemoryUse
from utils.train.nonfinite_guard import NONFINITE


@dataclass
class EpochState:
    """The state of an epoch in progress. Checkpoints hold it, so that training can resume after any step.

    images              trained on, by all processes
    seconds             spent on the epoch so far
    data_wait_seconds   in which the device was idle because the next batch was not ready
    sums                of each loss component over the batches, on the device; NONFINITE: of skipped steps
    unreadable          paths of files that could not be read
    nonfinite_reported  number of skipped steps already reported
    """

    batches: int = 0
    images: int = 0
    seconds: float = 0.0
    data_wait_seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    nonfinite_reported: int = 0

    def add(self, batch: Batch, losses: dict[str, Tensor], seconds: float, processes: int = 1) -> None:
        """Add a step that ended `seconds` after the epoch began; does not wait for the device."""
        self.sums = {name: self.sums[name] + loss if self.sums else loss for name, loss in losses.items()}
        self.batches += 1
        self.images += len(batch.images) * processes
        self.seconds = seconds
        self.unreadable += batch.skipped

    def means(self) -> dict[str, float]:
        """Return mean losses by component over the steps that were not skipped; waits for the device."""
        sums = {name: float(value) for name, value in self.sums.items()}
        steps = self.batches - sums.pop(NONFINITE, 0.0)
        return {name: value / steps if steps else math.nan for name, value in sums.items()}

    def nonfinite_steps(self) -> int:
        """Return how many steps were skipped because of non-finite gradients; waits for the device."""
        return int(self.sums.get(NONFINITE, 0))

    def in_batches_of(self, size: int) -> "EpochState":
        """Return the same state in batches of `size` images, rounded down: a few images may be repeated.

        Mean losses stay the same.
        """
        if self.batches == 0 or self.images == size * self.batches:
            return self
        batches = self.images // size
        steps = max(self.batches - self.nonfinite_steps(), 1)
        means = {name: value / steps for name, value in self.sums.items()}
        sums = {name: value * batches * (name != NONFINITE) for name, value in means.items()}
        return replace(self, batches=batches, images=batches * size, sums=sums, nonfinite_reported=0)


@dataclass(frozen=True)
class EpochResult:
    """Mean losses by component, the learning rate of the last step, speed, and what was skipped.

    unreadable       paths of files that could not be read
    waiting          share of the time that the device waited for data; the largest of all processes
    nonfinite_steps  steps skipped because of non-finite gradients
    memory           of the first process
    """

    losses: dict[str, float]
    learning_rate: float
    images_per_second: float
    seconds: float
    unreadable: list[str]
    waiting: float = 0.0
    nonfinite_steps: int = 0
    memory: MemoryUse = field(default_factory=MemoryUse)
