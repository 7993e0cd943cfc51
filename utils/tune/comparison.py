"""The comparison of the settings found with the defaults: other seeds, other images than the search's."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

from utils.data.summary import align_columns
from utils.tune.budget import Budget
from utils.tune.decision import Decision, decide, spread
from utils.tune.outcome import Outcome, defaults_of
from utils.tune.search import Plan, Trains
from utils.tune.study import Measured, keep_measured, measured_in
from utils.tune.trainings import TrainingError

if TYPE_CHECKING:
    import optuna

DEFAULTS = "defaults"


class Comparison(NamedTuple):
    """The mAP50-95 by seed of the defaults and of the settings found, and the decision.

    failed  why a training with the settings found failed, which decides against them
    """

    seeds: list[int]
    defaults: list[float]
    found: list[float]
    decision: Decision | None
    failed: str = ""

    @property
    def better(self) -> bool:
        """Whether the settings found are to be used."""
        return self.decision is not None and self.decision.better

    def text(self) -> str:
        """Return the figures as a table, and the decision below it."""
        if self.decision is None:
            return f"keep the defaults: a training with the settings found failed: {self.failed}"
        rows = [["mAP50-95", *(f"seed {seed}" for seed in self.seeds), "mean ± standard deviation"]]
        for name, values in (("defaults", self.defaults), ("found", self.found)):
            rows.append([name, *(f"{value:.4f}" for value in values), spread(values)])
        return f"{align_columns(rows)}\n{self.decision.sentence()}"


def compare(study: "optuna.Study", best: Outcome, plan: Plan, trainer: Trains, budget: Budget) -> Comparison:
    """Train defaults and settings found in turn with each seed, and decide. What was measured before is kept.

    ValueError if a training with the defaults fails.
    """
    seeds = [plan.seed + number for number in range(1, plan.seeds + 1)]
    found = f"trial {best.number + 1}"
    sides = {DEFAULTS: defaults_of(plan.space), found: best.params}
    measured: Measured = {name: {} for name in sides} | measured_in(study)
    for seed in seeds:
        for name, params in sides.items():
            if str(seed) in measured[name]:
                continue
            try:
                trained = trainer.measure(params, seed, f"{name.replace(' ', '_')}_seed_{seed}")
            except TrainingError as error:
                if name == DEFAULTS:
                    raise ValueError(f"training with the defaults and seed {seed} failed: {error}") from None
                return Comparison(seeds, [], [], None, str(error))
            measured[name][str(seed)] = trained.map50_95
            keep_measured(study, measured)
            print(f"seed {seed}: {name} {trained.map50_95:.4f} | {budget.text()}", flush=True)
    defaults, others = ([measured[name][str(seed)] for seed in seeds] for name in sides)
    return Comparison(seeds, defaults, others, decide(defaults, others))


def optimism(test: Sequence[str]) -> str:
    """Return what is to be said about the images of the comparison."""
    if test:
        return "on the test data, which the search has not seen"
    return "on the validation data, which chose the settings, as no --test is given: the gain is optimistic"
