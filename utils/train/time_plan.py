"""The number of epochs that fit into a given time, from the measured times of training and evaluation."""

from bisect import bisect_left
from dataclasses import dataclass
from typing import NamedTuple

from utils.system.settings import NonNegativeFloat, PositiveInt
from utils.train.phases import Lengths, PhasePlanner

MAX_EPOCHS = 1_000_000


class TimeLimit(NamedTuple):
    """The time limit of a run.

    seconds  from `started`, a value of time.perf_counter(), to the end
    ending   evaluations after an epoch that take as long as the one of the best weights, with its report
    """

    planner: PhasePlanner
    seconds: float
    started: float
    ending: float = 1.0


@dataclass
class Pace:
    """The seconds that the parts of a run take, estimated at first and then measured.

    frozen, unfrozen  training for an epoch of either kind
    evaluation        everything else after an epoch: evaluating, saving and logging
    measured          the names of those that were measured
    """

    frozen: NonNegativeFloat
    unfrozen: NonNegativeFloat
    evaluation: NonNegativeFloat
    measured: tuple[str, ...] = ()

    def measure(self, name: str, seconds: float) -> None:
        """Take in a measured time; from the second on, the mean of it and of the value before counts.

        The first frozen epoch shows how far its estimate was off, and so corrects that of unfrozen ones too.
        """
        before = getattr(self, name)
        if name in self.measured:
            seconds = (before + seconds) / 2
        elif name == "frozen" and before > 0:
            self.unfrozen *= seconds / before
        setattr(self, name, seconds)
        self.measured = tuple({*self.measured, name})


@dataclass
class Timing:
    """What a run with a time limit knows of its time, saved in its checkpoints.

    seconds       used when the last finished epoch ended, those of resumed runs included
    epoch_images  images in an epoch, where all of them would take too long; else None
    """

    seconds: NonNegativeFloat
    pace: Pace
    lengths: Lengths
    epoch_images: PositiveInt | None = None


def choose_lengths(
    planner: PhasePlanner,
    pace: Pace,
    seconds: float,
    eval_period: int = 1,
    done: int = 0,
    before: Lengths | None = None,
) -> Lengths:
    """Return the lengths of the run that ends as close as possible to so many seconds from now.

    `done` epochs are over, by the plan `before`. A run has an epoch at least, and its last one is evaluated.
    """

    def off(epochs: int) -> float:
        return seconds_left(planner.lengths(epochs, done, before), pace, eval_period, done) - seconds

    least = done if done and done % eval_period == 0 else done + 1
    enough = bisect_left(range(MAX_EPOCHS), 0.0, lo=least, key=off)
    epochs = min((max(least, enough - 1), enough), key=lambda epochs: abs(off(epochs)))
    return planner.lengths(epochs, done, before)


def seconds_left(lengths: Lengths, pace: Pace, eval_period: int, done: int) -> float:
    """Return the seconds that the epochs after the first `done` take."""
    frozen = max(0, lengths.freeze_epochs - done)
    evaluations = -(-lengths.epochs // eval_period) - done // eval_period
    training = frozen * pace.frozen + (lengths.epochs - done - frozen) * pace.unfrozen
    return training + evaluations * pace.evaluation
