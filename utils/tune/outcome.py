"""What a trial came to, as plain data."""

from collections.abc import Sequence
from typing import Literal, NamedTuple

from utils.tune.search_space import Dimension, Params

State = Literal["complete", "stopped", "failed"]


class Outcome(NamedTuple):
    """A trial: its settings, and the mAP50-95 and seconds of each rung that it came through.

    state  complete: trained for all epochs; stopped: worse than others after fewer; failed: with `error`
    """

    number: int
    state: State
    params: Params
    values: tuple[float, ...]
    seconds: tuple[float, ...]
    error: str = ""


def defaults_of(space: Sequence[Dimension]) -> Params:
    """Return the settings of the first trial."""
    return {each.name: each.default for each in space}


def best_of(outcomes: Sequence[Outcome]) -> Outcome | None:
    """Return the best complete trial, of equal ones the first; None if none is complete."""
    complete = [outcome for outcome in outcomes if outcome.state == "complete"]
    return max(complete, key=lambda outcome: outcome.values[-1], default=None)


def ranked(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the trials that have values, best first: those that trained longer come before the others."""
    valued = [outcome for outcome in outcomes if outcome.values]
    return sorted(valued, key=lambda outcome: (-len(outcome.values), -outcome.values[-1]))


def seconds_by_rung(outcomes: Sequence[Outcome], rungs: int) -> list[list[float]]:
    """Return the seconds of all trainings, by rung."""
    return [
        [outcome.seconds[rung] for outcome in outcomes if len(outcome.seconds) > rung]
        for rung in range(rungs)
    ]


def distinct(outcomes: Sequence[Outcome]) -> list[Outcome]:
    """Return the outcomes without those that repeat the settings of an earlier one and came no further."""
    kept: list[Outcome] = []
    for outcome in outcomes:
        same = [each for each in kept if each.params == outcome.params]
        if all(len(each.values) < len(outcome.values) for each in same):
            kept.append(outcome)
    return kept


def values_before(outcomes: Sequence[Outcome], params: Params) -> Outcome | None:
    """Return the trial with these settings that came furthest: its trainings need not be done again."""
    same = [outcome for outcome in outcomes if outcome.params == params and outcome.values]
    return max(same, key=lambda outcome: len(outcome.values), default=None)
