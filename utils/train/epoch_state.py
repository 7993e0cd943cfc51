"""How far an epoch is, and the result of an epoch that is done."""

import math
from dataclasses import dataclass, field, replace

from torch import Tensor

from utils.loader.batch import Batch
from utils.system.memory import MemoryUse
from utils.train.nonfinite_guard import NONFINITE


@dataclass
class EpochState:
    """How far an epoch is. It is saved in checkpoints, so that the epoch can be resumed after any step.

    images              of all processes
    seconds             spent on the epoch so far
    data_wait_seconds   in which the device was idle because the next batch was not ready
    sums                of each loss component over the batches, on the device; of NONFINITE, skipped steps
    unreadable          files that could not be read
    nonfinite_reported  skipped steps that were reported
    """

    batches: int = 0
    images: int = 0
    seconds: float = 0.0
    data_wait_seconds: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)
    nonfinite_reported: int = 0

    def add(self, batch: Batch, losses: dict[str, Tensor], seconds: float, processes: int = 1) -> None:
        """Count a step that ended `seconds` after the epoch began; nothing waits for the device."""
        self.sums = {name: self.sums[name] + loss if self.sums else loss for name, loss in losses.items()}
        self.batches += 1
        self.images += len(batch.images) * processes
        self.seconds = seconds
        self.unreadable += batch.skipped

    def means(self) -> dict[str, float]:
        """Mean losses by component over the steps that were not skipped; waits for the device."""
        sums = {name: float(value) for name, value in self.sums.items()}
        steps = self.batches - sums.pop(NONFINITE, 0.0)
        return {name: value / steps if steps else math.nan for name, value in sums.items()}

    def nonfinite_steps(self) -> int:
        """How many steps were skipped because of non-finite gradients; waits for the device."""
        return int(self.sums.get(NONFINITE, 0))

    def in_batches_of(self, size: int) -> "EpochState":
        """The same state in batches of `size` images, rounded down: a few images may come a second time.

        Mean losses stay what they are.
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

    unreadable       files that could not be read
    waiting          share of the time that the device waited for data, in the process where it was largest
    nonfinite_steps  skipped because of non-finite gradients
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
