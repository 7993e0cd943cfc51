"""What the checkpoint of a run holds besides the model: types that are checked before the run goes on."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

from torch import Tensor

from utils.system.schema import conform
from utils.system.settings import NonNegativeInt, PositiveFloat, Range
from utils.train.epoch_state import EpochState
from utils.train.time_plan import Timing

# NaN where the validation data has no object that counts.
Best = Annotated[Any, Range("from -1 to 1", lambda best: isinstance(best, float) and not abs(best) > 1)]
Parts = Annotated[int, Range("from 0 to 100000", lambda parts: 0 <= parts <= 100_000)]
# Names of fields in checkpoints of earlier versions.
EARLIER_NAMES = {
    "waited": "evaluations_since_best",
    "told": "notices_given",
}
EARLIER_NAMES_WITHIN = {
    "waited": "data_wait_seconds",
    "skipped": "unreadable",
    "bad_told": "nonfinite_reported",
}


@dataclass(frozen=True)
class ParameterGroup:
    """The parameters of a group by name and number, and their learning rate."""

    params: tuple[NonNegativeInt, ...]
    lr: float
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class OptimizerState:
    """The state dict of an optimizer."""

    param_groups: Annotated[tuple[ParameterGroup, ...], Range("at least one group", bool)]
    state: dict[int, dict[str, Any]]


@dataclass(frozen=True)
class RandomState:
    """The states of all random number generators."""

    python: tuple[int, tuple[int, ...], float | None]
    numpy: tuple[str, Tensor, int, int, float]
    torch: Tensor
    cuda: tuple[Tensor, ...]


@dataclass(frozen=True)
class RunState:
    """What resuming needs besides the entries of `Checkpoint`."""

    optimizer: OptimizerState
    scaler: dict[str, Any]
    random: RandomState
    within: EpochState
    parts: Parts
    rate_factor: PositiveFloat
    best: Best
    best_epoch: NonNegativeInt
    evaluations_since_best: NonNegativeInt
    notices_given: list[str] = field(default_factory=list)
    val_data: NonNegativeInt = 1
    timing: Timing | None = None
    train_sha256: str = ""
    val_sha256: str = ""


def with_present_names(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return the entries of a checkpoint with those of earlier versions renamed."""
    present = _renamed(state, EARLIER_NAMES)
    return (
        present | {"within": _renamed(present["within"], EARLIER_NAMES_WITHIN)}
        if "within" in present
        else present
    )


def _renamed(values: Any, names: Mapping[str, str]) -> Any:
    """Return a mapping with its entries renamed; anything else as it is, since nobody has checked it yet."""
    if not isinstance(values, Mapping):
        return values
    return {names.get(name, name): value for name, value in values.items()}


def check_run_state(state: Mapping[str, Any]) -> None:
    """Raise ValueError unless resuming can use the state."""
    checked: RunState = conform(state, RunState)
    if any(value.numel() != 1 for value in checked.within.sums.values()):
        raise ValueError("within.sums has more than one number for a loss")
