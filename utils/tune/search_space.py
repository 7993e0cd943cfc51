"""The search space: which settings of train.py are searched, and from where to where.

Edit `SPACE` to search others: the names are those of train.py's flags.
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from utils.system.settings import flag, flat_values
from utils.train.defaults import suggest_freeze_epochs
from utils.tune.base_settings import BaseSettings

if TYPE_CHECKING:
    import optuna

Value = float | int | str | None


class Setting(NamedTuple):
    """How a setting is searched.

    kind    factor: from `low` to `high` times its default, on a logarithmic scale;
            range: from `low` to `high`; choice: one of `choices`
    """

    kind: Literal["factor", "range", "choice"]
    low: float = 0.0
    high: float = 1.0
    choices: tuple[Value, ...] = ()


SPACE: dict[str, Setting] = {
    "lr": Setting("factor", 1 / 8, 4),
    "weight_decay": Setting("factor", 1 / 10, 10),
    "batch_size": Setting("choice", choices=(4, 8, 16)),
    "freeze_epochs": Setting("range", 0, 0.5),  # as a share of the epochs
    "clean_share": Setting("range", 0, 0.8),
    "mosaic": Setting("range", 0, 1),
    "scale": Setting("range", 0.3, 1),  # the smallest zoom; the largest stays
    "box_loss": Setting("choice", choices=(None, "giou", "ciou")),  # None: the head's own
}


class Dimension(NamedTuple):
    """A setting in a search: its bounds or its choices, and its default, which lies within."""

    name: str
    low: float
    high: float
    log: bool
    choices: tuple[Value, ...]
    default: Value


Params = Mapping[str, Value]  # values by the name of their dimension


def plan_space(
    names: Sequence[str], base: BaseSettings, epochs: int, from_weights: bool, fixed_loss: bool
) -> list[Dimension]:
    """Return the dimensions of a search over the settings `names`, by default over all that can be searched.

    epochs        of a whole training
    from_weights  whether it starts from weights: only then is anything frozen at first
    fixed_loss    whether the loss of the model has no options
    ValueError for a name that is not in `SPACE`, or a setting that cannot be searched here.
    """
    impossible = {
        "freeze_epochs": "" if from_weights else "nothing is frozen without --weights",
        "batch_size": "it is measured" if base.phases.batch_size == "auto" else "",
        "weight_decay": "" if base.optimization.decay > 0 else "it is 0",
        "box_loss": "the loss of the model is fixed" if fixed_loss else "",
    }
    chosen = [name.replace("-", "_") for name in names]
    if unknown := [name for name in chosen if name not in SPACE]:
        raise ValueError(f"--search {unknown[0]}: choose from {', '.join(SPACE)}")
    for name in chosen:
        if impossible.get(name):
            raise ValueError(f"--search {name}: {impossible[name]}; leave it out")
    defaults = default_params(base, epochs, from_weights)
    return [
        _dimension(name, SPACE[name], defaults[name], base)
        for name in SPACE
        if name in chosen or not (chosen or impossible.get(name))
    ]


def default_params(base: BaseSettings, epochs: int, from_weights: bool) -> dict[str, Value]:
    """Return the default of each setting in `SPACE`."""
    values = flat_values(base)
    frozen = base.phases.freeze_epochs
    frozen = suggest_freeze_epochs(epochs, from_weights) if frozen is None else frozen
    # Exactly a fifth where nothing was set, so that shorter trainings too freeze what their default would.
    share = 0.2 if base.phases.freeze_epochs is None and from_weights else min(frozen / epochs, 1.0)
    special = {
        "lr": base.optimization.peak_lr,
        "weight_decay": base.optimization.decay,
        "scale": base.augmentation.scale[0],
        "freeze_epochs": share,
    }
    return {name: special.get(name, values[name]) for name in SPACE}


def _dimension(name: str, setting: Setting, default: Value, base: BaseSettings) -> Dimension:
    """Bounds or choices of a setting, widened to hold its default."""
    if setting.kind == "choice":
        extra = () if default in setting.choices else (default,)
        return Dimension(name, 0, 0, False, (*setting.choices, *extra), default)
    assert isinstance(default, int | float)
    factor = default if setting.kind == "factor" else 1.0
    low, high = setting.low * factor, setting.high * factor
    if name == "scale":
        high = min(high, base.augmentation.scale[1])
    return Dimension(
        name, min(low, default), max(high, default), setting.kind == "factor", (), float(default)
    )


def suggest(trial: "optuna.Trial", space: Sequence[Dimension]) -> dict[str, Value]:
    """Return the values that Optuna chooses for a trial."""
    return {
        each.name: trial.suggest_categorical(each.name, each.choices)
        if each.choices
        else trial.suggest_float(each.name, each.low, each.high, log=each.log)
        for each in space
    }


def checked_params(params: Mapping[str, Any], space: Sequence[Dimension]) -> dict[str, Value]:
    """Return values read from a file; ValueError unless each is one that the space has."""
    for each in space:
        value = params.get(each.name)
        if each.choices:
            fits = any(value == choice and type(value) is type(choice) for choice in each.choices)
        else:
            fits = isinstance(value, float) and each.low <= value <= each.high
        if not fits:
            raise ValueError(f"its {flag(each.name)} {str(value)[:50]} is outside the search space")
    return {each.name: params[each.name] for each in space}


def flags_of(params: Params, base: BaseSettings, epochs: int) -> list[str]:
    """Return the flags of train.py for values of the space, in a training of so many epochs."""
    flags: list[str] = []
    for name, value in params.items():
        if value is None:
            continue
        if name == "freeze_epochs":
            assert isinstance(value, int | float)
            value = round(value * epochs)
        largest = [text_of(base.augmentation.scale[1])] if name == "scale" else []
        flags += [flag(name), text_of(value), *largest]
    return flags


def shortened(params: Params, base: BaseSettings, epochs: int, full: int) -> list[str]:
    """Return the flags that keep the shape of a training of `full` epochs in one of `epochs`.

    Warm-up, and frozen epochs that are not searched, take the same share of it.
    """
    if epochs == full:
        return []
    flags = ["--warmup-epochs", text_of(base.optimization.warmup_epochs * epochs / full)]
    if "freeze_epochs" not in params and base.phases.freeze_epochs is not None:
        flags += ["--freeze-epochs", text_of(round(base.phases.freeze_epochs * epochs / full))]
    return flags


def text_of(value: Value) -> str:
    """Return a value as a flag has it; fractions with four significant digits."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def settings_text(params: Params) -> str:
    """Return settings as text for a line on the screen."""
    return ", ".join(
        f"{name} {'default' if value is None else text_of(value)}" for name, value in params.items()
    )
