"""The plot of a search: which settings mattered, and the mAP50-95 of each trial against each setting."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from utils.system.files import replacing
from utils.tune.outcome import Outcome, defaults_of
from utils.tune.search import epochs_text
from utils.tune.search_space import Dimension

ENOUGH = 10  # trials for whose longest common training the plot is drawn
LEAST = 4  # trials, below which importances say nothing
COLUMNS = 3


def common_rung(outcomes: Sequence[Outcome], rungs: int) -> int:
    """Return the number of the longest rung that at least `ENOUGH` trials came through; else the first.

    Only values after the same epochs can be compared.
    """
    return max((k for k in range(rungs) if _through(outcomes, k) >= ENOUGH), default=0)


def _through(outcomes: Sequence[Outcome], rung: int) -> int:
    return sum(len(outcome.values) > rung for outcome in outcomes)


def importances(outcomes: Sequence[Outcome], space: Sequence[Dimension], rung: int) -> dict[str, float]:
    """Return the importance of each setting after a rung, sum 1, by PED-ANOVA; empty for too few trials.

    https://arxiv.org/abs/2304.10255
    """
    import optuna
    from optuna.distributions import BaseDistribution, CategoricalDistribution, FloatDistribution

    used = [outcome for outcome in outcomes if len(outcome.values) > rung]
    if len(used) < LEAST or len({outcome.values[rung] for outcome in used}) == 1:
        return {}
    distributions: dict[str, BaseDistribution] = {
        each.name: CategoricalDistribution(each.choices)
        if each.choices
        else FloatDistribution(each.low, each.high, log=each.log)
        for each in space
    }
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    study = optuna.create_study(direction="maximize")
    for outcome in used:
        params: dict[str, Any] = dict(outcome.params)
        study.add_trial(
            optuna.create_trial(params=params, distributions=distributions, value=outcome.values[rung])
        )
    evaluator = optuna.importance.PedAnovaImportanceEvaluator()
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator))


def plot_search(
    path: Path, outcomes: Sequence[Outcome], space: Sequence[Dimension], rungs: Sequence[int]
) -> None:
    """Draw importance.png: bars of importance, then a scatter plot for each setting."""
    rung = common_rung(outcomes, len(rungs))
    used = [outcome for outcome in outcomes if len(outcome.values) > rung]
    rows = math.ceil((len(space) + 1) / COLUMNS)
    figure = Figure(figsize=(4 * COLUMNS, 3 * rows), layout="constrained")
    bars, *others = figure.subplots(rows, COLUMNS, squeeze=False).flat
    epochs = epochs_text(rungs[rung])
    figure.suptitle(f"mAP50-95 on the validation data after {epochs}, {len(used)} trials; star: the defaults")
    _draw_importances(bars, importances(used, space, rung), len(used))
    for axes, each in zip(others, space, strict=False):
        _draw_values(axes, used, each, rung, defaults_of(space))
    for axes in others[len(space) :]:
        axes.set_axis_off()
    with replacing(path) as temporary:
        figure.savefig(temporary, dpi=100, format="png")


def _draw_importances(axes: Axes, found: dict[str, float], trials: int) -> None:
    axes.set_title(f"importance{'' if trials >= ENOUGH else ' (few trials: a rough guess)'}", fontsize=9)
    if not found:
        axes.text(0.5, 0.5, "too few trials", ha="center", va="center")
        axes.set_axis_off()
        return
    names = [*found][::-1]
    axes.barh(names, [found[name] for name in names])


def _draw_values(axes: Axes, outcomes: Sequence[Outcome], each: Dimension, rung: int, defaults: Any) -> None:
    names = ["default" if choice is None else str(choice) for choice in each.choices]

    def position(outcome: Outcome) -> Any:
        value = outcome.params[each.name]
        return each.choices.index(value) if each.choices else value

    others = [outcome for outcome in outcomes if outcome.params != defaults]
    first = [outcome for outcome in outcomes if outcome.params == defaults][-1:]
    axes.scatter([position(x) for x in others], [x.values[rung] for x in others], s=18)
    axes.scatter([position(x) for x in first], [x.values[rung] for x in first], marker="*", s=90, color="C1")
    axes.set_xlabel(each.name)
    axes.grid(alpha=0.3)
    if each.log:
        axes.set_xscale("log")
        assert isinstance(each.default, float)
        ticks = [each.low, each.default, each.high]
        axes.set_xticks(ticks, [f"{tick:.2g}" for tick in ticks])
        axes.minorticks_off()
    if each.choices:
        axes.set_xticks(range(len(names)), names)
