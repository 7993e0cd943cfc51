"""The decision whether the settings found are better than the defaults, beyond what seeds differ by."""

import math
from collections.abc import Sequence
from statistics import mean, stdev, variance
from typing import Annotated, NamedTuple

from utils.system.settings import Range

SeedCount = Annotated[int, Range("at least 2: one says nothing of chance", lambda value: value >= 2)]
FACTOR = 2  # standard errors of the difference that a gain must exceed


class Decision(NamedTuple):
    """The difference of the means in mAP50-95, the least that counts as better, and whether it does."""

    difference: float
    needed: float
    better: bool

    def sentence(self) -> str:
        """Return the decision in a sentence, in points (hundredths)."""
        difference, needed = 100 * self.difference, 100 * self.needed
        rule = f"{FACTOR} standard errors of the difference of means over seeds, {needed:.2f} points"
        if self.better:
            return f"the settings found are better by {difference:.2f} points of mAP50-95, more than {rule}"
        return (
            f"the settings found did not beat the defaults: {difference:+.2f} points of mAP50-95 are not "
            f"more than {rule}. Keep the defaults"
        )


def decide(defaults: Sequence[float], found: Sequence[float]) -> Decision:
    """Decide from the mAP50-95 of trainings with at least two seeds each."""
    error = math.sqrt(variance(defaults) / len(defaults) + variance(found) / len(found))
    difference = mean(found) - mean(defaults)
    return Decision(difference, FACTOR * error, difference > FACTOR * error)


def spread(values: Sequence[float]) -> str:
    """Return mean and standard deviation as text."""
    return f"{mean(values):.4f} ± {stdev(values):.4f}"
