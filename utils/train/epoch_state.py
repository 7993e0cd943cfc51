"""How far an epoch is, and what it came to."""

import math
from dataclasses import dataclass, field, replace

from torch import Tensor

from utils.system.memory import MemoryUse

BAD = "bad"  # what counts the bad steps, beside the losses


@dataclass
class EpochProgress:
    """How far an epoch is: what goes on from here, also after it was saved.

    waited    seconds for which the device had nothing to do, as the next batch was not there
    sums      of each component of the loss over the batches, on the device
    skipped   files that could not be read
    bad_told  how many bad steps have been told of
    """

    batches: int = 0
    images: int = 0
    seconds: float = 0.0
    waited: float = 0.0
    sums: dict[str, Tensor] = field(default_factory=dict)
    skipped: list[str] = field(default_factory=list)
    bad_told: int = 0

    def means(self) -> dict[str, float]:
        """Mean losses by component over the steps that were not bad; waits for the device."""
        sums = {name: float(value) for name, value in self.sums.items()}
        good = self.batches - sums.pop(BAD, 0.0)
        return {name: value / good if good else math.nan for name, value in sums.items()}

    def bad(self) -> int:
        """How many steps were left out, as their gradients were no numbers; waits for the device."""
        return int(self.sums.get(BAD, 0))

    def in_batches_of(self, size: int) -> "EpochProgress":
        """The same place in batches of `size` images, rounded down: a few images may come a second time.

        Means stay what they are.
        """
        if self.batches == 0 or self.images == size * self.batches:
            return self
        batches = self.images // size
        means = {name: value / max(self.batches - self.bad(), 1) for name, value in self.sums.items()}
        sums = {name: value * batches * (name != BAD) for name, value in means.items()}
        return replace(self, batches=batches, images=batches * size, sums=sums, bad_told=0)


@dataclass
class EpochResult:
    """Mean losses by component, the last learning rate, speed, and the images that could not be read.

    waiting   share of the time for which the device waited for images, in the process where it was largest
    left_out  steps whose gradients were no numbers
    memory    of the first process
    """

    losses: dict[str, float]
    learning_rate: float
    images_per_second: float
    seconds: float
    skipped: list[str]
    waiting: float = 0.0
    left_out: int = 0
    memory: MemoryUse = field(default_factory=MemoryUse)
