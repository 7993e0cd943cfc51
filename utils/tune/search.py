"""The search: trials one after the other, each stopped early unless it is among the best of its rung."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol

from utils.tune.budget import REDUCTION, Budget, reserve, seconds_needed, trial_seconds
from utils.tune.outcome import Outcome, defaults_of, distinct, seconds_by_rung, values_before
from utils.tune.search_space import Dimension, Params, settings_text, suggest
from utils.tune.study import ERROR_KEY, SECONDS_KEY, VALUES_KEY, next_trial, outcome_of, outcomes_of
from utils.tune.trainings import Trained, TrainingError

if TYPE_CHECKING:
    import optuna

MAX_FAILED = 5  # trials in a row, after which the fault is not in their settings
MAX_REPEATED = 20  # trials in a row with settings that were tried before: there are hardly others


class Trains(Protocol):
    """What trains: a `Trainer`, or a stand-in for it."""

    def train(self, params: Params, epochs: int, seed: int, name: str) -> Trained:
        """Train for some epochs; `TrainingError` if that fails."""

    def measure(self, params: Params, seed: int, name: str) -> Trained:
        """Train for all epochs, and measure the best weights; `TrainingError` if that fails."""


class Plan(NamedTuple):
    """The space, the epochs of each rung, the number of seeds of the comparison, and the search's seed."""

    space: Sequence[Dimension]
    rungs: Sequence[int]
    seeds: int
    seed: int


def search(study: "optuna.Study", plan: Plan, trainer: Trains, budget: Budget) -> list[Outcome]:
    """Run trials until the rest of the budget is needed for the comparison; returns those that have ended.

    ValueError if the defaults fail, or several trials in a row, or if the budget is too small for a search.
    """
    repeated, earlier_trials = 0, len(outcomes_of(study, plan.space))
    while True:
        so_far = outcomes_of(study, plan.space)
        _require_success(so_far[earlier_trials:], plan)
        if reason := _why_end(so_far, plan, budget, repeated):
            print(f"the search ends: {reason}", flush=True)
            return distinct(so_far)
        outcome = run_trial(study, plan, trainer, budget)
        earlier = values_before(so_far, outcome.params)
        repeated = repeated + 1 if earlier and earlier.values == outcome.values else 0
        if not repeated:
            print(f"{line(outcome, plan)} | {budget.text()}", flush=True)


def run_trial(study: "optuna.Study", plan: Plan, trainer: Trains, budget: Budget) -> Outcome:
    """Train the settings of one trial anew in each rung, until they are worse than those of others.

    Trainings that were done before the program was interrupted, or by an earlier trial with the same
    settings, are not done again. The defaults are
    never stopped.
    """
    from optuna.trial import TrialState

    trial = next_trial(study, plan.space)
    params = suggest(trial, plan.space)
    is_default = params == defaults_of(plan.space)
    known = values_before(outcomes_of(study, plan.space), params) or outcome_of(trial, params)
    values, seconds = list(known.values), list(known.seconds)
    state, reported = TrialState.COMPLETE, len(outcome_of(trial, params).values)
    for rung, epochs in enumerate(plan.rungs):
        if rung == len(values):
            try:
                trained = trainer.train(params, epochs, plan.seed, f"trial_{trial.number + 1}_{epochs}")
            except TrainingError as error:
                trial.set_user_attr(ERROR_KEY, str(error)[:2000] or "no message")
                # As bad as can be: Optuna learns nothing from trials that failed, and would try the like.
                trial.report(0.0, REDUCTION**rung)
                state = TrialState.FAIL if is_default else TrialState.PRUNED
                break
            values, seconds = [*values, trained.map50_95], [*seconds, trained.seconds]
            if is_default:
                took = f"{seconds[rung]:.0f} s for {epochs_text(epochs)}, mAP50-95 {values[rung]:.4f}"
                print(f"the defaults: {took} | {budget.text()}", flush=True)
        trial.set_user_attr(SECONDS_KEY, seconds[: rung + 1])
        trial.set_user_attr(VALUES_KEY, values[: rung + 1])
        if rung >= reported:
            trial.report(values[rung], REDUCTION**rung)
        pruned = rung + 1 < len(plan.rungs) and trial.should_prune()
        if is_default:
            _require_time(seconds, plan, budget)
        elif pruned:
            state = TrialState.PRUNED
            break
    study.tell(trial, values[-1] if state == TrialState.COMPLETE else None, state=state)
    return next(x for x in outcomes_of(study, plan.space) if x.number == trial.number)


def line(outcome: Outcome, plan: Plan) -> str:
    """Return a trial in a line: its settings, and what it reached in each rung."""
    title = f"trial {outcome.number + 1}"
    shown = "defaults" if outcome.params == defaults_of(plan.space) else settings_text(outcome.params)
    reached = zip(outcome.values, plan.rungs, strict=False)
    values = ", ".join(f"{value:.4f} after {epochs_text(epochs)}" for value, epochs in reached)
    parts = [f"mAP50-95 {values}"] if values else []
    if outcome.state == "failed":
        parts.append(f"failed: {outcome.error.splitlines()[0][:200]}")
    elif outcome.state == "stopped":
        parts.append("stopped")
    return f"{title}: {shown} | {', '.join(parts)}"


def epochs_text(epochs: int) -> str:
    """Return a number of epochs as text."""
    return f"{epochs} epoch{'s' if epochs > 1 else ''}"


def _require_success(done: Sequence[Outcome], plan: Plan) -> None:
    """Raise ValueError with the message of train.py if settings cannot be what is wrong.

    done  the trials since the program was started
    """
    failed = [outcome for outcome in done[-MAX_FAILED:] if outcome.state == "failed"]
    if failed and failed[-1].params == defaults_of(plan.space):
        raise ValueError(f"training with the defaults failed: {failed[-1].error}")
    if len(failed) == MAX_FAILED:
        raise ValueError(f"{MAX_FAILED} trials in a row failed, the last one: {failed[-1].error}")


def _why_end(so_far: Sequence[Outcome], plan: Plan, budget: Budget, repeated: int) -> str:
    """Why there is no other trial; empty if there is. ValueError if there was none beside the defaults."""
    seconds = seconds_by_rung(so_far, len(plan.rungs))
    if not seconds[-1]:
        return ""  # the defaults come first, however long they take
    if repeated == MAX_REPEATED:
        return "all settings were tried"
    kept = reserve(seconds, plan.seeds)
    if budget.left >= kept + trial_seconds(seconds):
        return ""
    if all(outcome.params == defaults_of(plan.space) for outcome in so_far):
        _require_time([column[-1] for column in seconds], plan, budget)
    return (
        f"the comparison takes about {kept / 60:.1f} minutes, a trial up to {trial_seconds(seconds) / 60:.1f}"
    )


def _require_time(done: Sequence[float], plan: Plan, budget: Budget) -> None:
    """Raise ValueError if the budget is too small for one trial more than the defaults.

    done  seconds of the trainings of the defaults so far
    """
    needed = seconds_needed(plan.rungs, done, plan.seeds)
    if budget.left >= needed:
        return
    minutes = math.ceil((budget.used + needed) / 60)
    raise ValueError(
        f"--minutes {budget.seconds / 60:g} is too short: with the speed so far, one trial beside the "
        f"defaults, and the comparison with {plan.seeds} seeds, take at least {minutes} minutes. Go on with\n"
        f"  python tune.py --resume {budget.path.parent} --minutes {minutes}\n"
        "or more, or start a new search with fewer --epochs or --seeds"
    )
