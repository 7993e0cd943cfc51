"""The budget of minutes, and the plan of what fits into it."""

import json
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import mean

from utils.system.files import read_failure, write_text
from utils.system.schema import conform

REDUCTION = 3  # successive halving trains a third of the trials three times as long
RUNGS = 3
MARGIN = 1.1  # of the time kept for the comparison: trainings of the same length differ a little
USED = "seconds_used.json"


class Budget:
    """The time that a search has, also over several starts of the program: what was used is kept in a file.

    path     file that keeps it
    minutes  of the whole search
    clock    seconds that only rise
    """

    def __init__(self, path: Path, minutes: float, clock: Callable[[], float] = time.monotonic) -> None:
        self.path, self.seconds, self.clock = path, 60 * minutes, clock
        self.before, self.started = _read(path), clock()

    @property
    def used(self) -> float:
        """Seconds used so far."""
        return self.before + self.clock() - self.started

    @property
    def left(self) -> float:
        """Seconds left; negative beyond the budget."""
        return self.seconds - self.used

    def save(self) -> None:
        """Write down the seconds used: what a program that is killed has lost is at most the time since."""
        write_text(self.path, json.dumps(round(self.used, 1)) + "\n", durable=False)

    def text(self) -> str:
        """Return the time left as text."""
        minutes = self.left / 60
        return f"{minutes:.1f} min left" if minutes >= 0 else f"{-minutes:.1f} min over the budget"


def _read(path: Path) -> float:
    if not path.exists():
        return 0.0
    try:
        return conform(json.loads(path.read_text("utf-8")), float)
    except (OSError, ValueError, RecursionError) as error:
        raise ValueError(
            f"{path} cannot be read ({read_failure(error)}): remove it, and the whole budget is left"
        ) from None


def rung_epochs(epochs: int) -> list[int]:
    """Return the epochs of each rung: a ninth, a third and all of them, without repetition."""
    return sorted({max(1, round(epochs / REDUCTION**k)) for k in range(RUNGS)})


def seconds_at(epochs: int, measured: Sequence[tuple[int, float]]) -> float:
    """Return the seconds that a training of so many epochs takes.

    From one measurement (epochs, seconds) a lower bound: no longer than that one. From several: the line
    through the first and the last, as starting takes time too.
    """
    (first, low), (last, high) = measured[0], measured[-1]
    if first == last:
        return high
    return high + max(0.0, high - low) / (last - first) * (epochs - last)


def reserve(seconds: Sequence[Sequence[float]], seeds: int) -> float:
    """Return the seconds to keep for the comparison.

    seconds  of the trainings so far, by rung; with at least one of full length
    seeds    number of trainings of the defaults, and of the settings found
    Each is trained as long as the slowest so far, and then measured, for which the shortest training is
    taken: both start the program and go through images.
    """
    return MARGIN * 2 * seeds * (max(seconds[-1]) + mean(seconds[0]))


def trial_seconds(seconds: Sequence[Sequence[float]]) -> float:
    """Return the seconds of a trial that comes through all rungs."""
    return sum(map(mean, seconds))


def seconds_needed(rungs: Sequence[int], done: Sequence[float], seeds: int) -> float:
    """Return the seconds from now on that the smallest search takes: the rest of the trial that is under way,
    the defaults, then one trial more, and the comparison.

    done  seconds of the rungs of the defaults so far
    """
    measured = [*zip(rungs, done, strict=False)]
    rest = [seconds_at(epochs, measured) for epochs in rungs[len(done) :]]
    columns = [[seconds] for seconds in [*done, *rest]]
    return sum(rest) + trial_seconds(columns) + reserve(columns, seeds)
