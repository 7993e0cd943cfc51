"""The Optuna study of a search, kept in its folder: every trial, whenever the program ends.

The pruner is asynchronous successive halving (https://arxiv.org/abs/1810.05934), the form for trials one
after the other of successive halving (https://arxiv.org/abs/1502.07943).
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from utils.system.schema import conform
from utils.tune.budget import REDUCTION
from utils.tune.outcome import Outcome, State, defaults_of
from utils.tune.search_space import Dimension, Params, checked_params

if TYPE_CHECKING:
    import optuna

JOURNAL = "study.log"
SPACE_KEY, MEASURED_KEY = "space", "measured"  # attributes of the study
VALUES_KEY, SECONDS_KEY, ERROR_KEY = "values", "seconds", "error"  # attributes of a trial

Measured = dict[str, dict[str, float]]  # mAP50-95 by seed, by the number of a trial


def open_study(folder: Path, space: Sequence[Dimension]) -> "optuna.Study":
    """Open the study in a folder, or begin it with the defaults. The caller holds the folder's lock.

    ValueError if the file is damaged, or of a search over another space.
    """
    import optuna
    from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path = folder / JOURNAL
    try:
        _repair(path)
        lock = JournalFileOpenLock(str(path))  # a lock of links fails on Windows
        backend = JournalFileBackend(str(path), lock_obj=lock)
        study = optuna.create_study(
            storage=optuna.storages.JournalStorage(backend),
            pruner=optuna.pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=REDUCTION),
            study_name="search",
            direction="maximize",
            load_if_exists=True,
        )
        known, trials = study.user_attrs.get(SPACE_KEY), len(study.trials)
    except OSError:
        raise
    except Exception as error:  # Optuna trusts its file: what it raises for a damaged one is of many kinds
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ValueError(
            f"{path} is damaged ({type(error).__name__}: {reason}): start a new search"
        ) from None
    plain = [each._asdict() | {"choices": list(each.choices)} for each in space]
    if known is None:
        study.set_user_attr(SPACE_KEY, plain)
    elif known != plain:
        raise ValueError(f"{folder} is of a search over other settings or ranges: start a new search")
    # Seeded by the trials so far: a search that goes on must not draw what it has drawn before.
    study.sampler = optuna.samplers.TPESampler(seed=trials)
    _queue_defaults(study, space)
    return study


def _repair(path: Path) -> None:
    """Cut off a line that a crash left incomplete, and remove the lock of a process that was killed."""
    if path.is_symlink():
        raise ValueError("it is a link")
    Path(f"{path}.lock").unlink(missing_ok=True)
    if path.exists():
        content = path.read_bytes()
        if not content.endswith(b"\n"):
            with path.open("rb+") as file:
                file.truncate(content.rfind(b"\n") + 1)


def _queue_defaults(study: "optuna.Study", space: Sequence[Dimension]) -> None:
    """Queue the defaults unless they are done, under way or queued."""
    from optuna.trial import TrialState

    defaults = defaults_of(space)
    complete = [each.params for each in outcomes_of(study, space) if each.state == "complete"]
    if defaults not in complete and not study.get_trials(states=[TrialState.WAITING, TrialState.RUNNING]):
        study.enqueue_trial(dict(defaults))


def next_trial(study: "optuna.Study", space: Sequence[Dimension]) -> "optuna.Trial":
    """Return the trial that was interrupted with the program, else a new one."""
    import optuna

    for trial in study.get_trials(states=[optuna.trial.TrialState.RUNNING]):
        if trial.params.keys() == {each.name for each in space}:
            checked_params(trial.params, space)
            return optuna.Trial(study, trial._trial_id)
    return study.ask()


def outcomes_of(study: "optuna.Study", space: Sequence[Dimension]) -> list[Outcome]:
    """Return the trials that have ended; ValueError for values that no search has written."""
    states: dict[str, State] = {"COMPLETE": "complete", "PRUNED": "stopped", "FAIL": "failed"}
    found = []
    for trial in study.get_trials(deepcopy=False):
        if trial.state.name not in states or trial.params.keys() != {each.name for each in space}:
            continue  # one that was interrupted before its settings were drawn
        params = checked_params(trial.params, space)
        outcome = outcome_of(trial, params)
        found.append(outcome if outcome.error else outcome._replace(state=states[trial.state.name]))
    return found


def outcome_of(trial: "optuna.Trial | optuna.trial.FrozenTrial", params: Params) -> Outcome:
    """Return what a trial came to so far, as failed if it has an error and else as stopped."""
    attributes = trial.user_attrs
    error = conform(attributes.get(ERROR_KEY, ""), str, ERROR_KEY)
    values = conform(attributes.get(VALUES_KEY, []), tuple[float, ...], VALUES_KEY)
    seconds = conform(attributes.get(SECONDS_KEY, []), tuple[float, ...], SECONDS_KEY)
    return Outcome(trial.number, "failed" if error else "stopped", params, values, seconds, error)


def measured_in(study: "optuna.Study") -> Measured:
    """Return the results of the comparison so far."""
    values = conform(study.user_attrs.get(MEASURED_KEY, {}), dict[str, dict[str, float]], MEASURED_KEY)
    return {name: dict(by_seed) for name, by_seed in values.items()}


def keep_measured(study: "optuna.Study", values: Measured) -> None:
    """Keep the results of the comparison."""
    study.set_user_attr(MEASURED_KEY, values)
