"""What checkpoints hold, as types that are checked when one is read."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any

from torch import Tensor

from utils.data.class_names import class_names_of
from utils.system.schema import KindError, conform, shown
from utils.system.settings import NonNegativeInt, Range
from utils.system.validation import MAX_IMAGE_SIDE
from utils.weights.thresholds import THRESHOLDS_KEY, Thresholds

Side = Annotated[int, Range(f"from 1 to {MAX_IMAGE_SIDE} pixels", lambda side: 1 <= side <= MAX_IMAGE_SIDE)]
Name = Annotated[str, Range("a name of at most 200 characters", lambda name: len(name) <= 200)]
AnchorSide = Annotated[float, Range("above 0, up to 100000", lambda side: 0 < side <= 100_000)]
MAX_ANCHORS = 100  # of a level; networks have up to 9
LevelAnchors = Annotated[
    tuple[tuple[AnchorSide, AnchorSide], ...],
    Range(f"at most {MAX_ANCHORS} anchors", lambda anchors: len(anchors) <= MAX_ANCHORS),
]


@dataclass(frozen=True)
class Parts:
    """The parts of a model that replace its own; None for those that do not."""

    backbone: Name | None = None
    neck: Name | None = None
    head: Name | None = None
    anchors: tuple[LevelAnchors, ...] | None = None


@dataclass(frozen=True)
class Checkpoint:
    """What every checkpoint of `train.py` has; `RunState` is what resuming needs besides."""

    model: dict[str, Tensor]
    ema: dict[str, Tensor] | None
    optimizer: dict[str, Any] | None
    epoch: NonNegativeInt
    step: NonNegativeInt
    class_names: tuple[str, ...]
    model_name: Name
    image_size: tuple[Side, Side]
    model_parts: Parts = field(default_factory=Parts)
    thresholds: Thresholds | None = None


# Entries that say which model a file is for: the argument of `Weights`, and the type.
STORED: dict[str, tuple[str, Any]] = {
    "class_names": ("class_names", tuple[str, ...]),
    "model_name": ("model_name", Name),
    "image_size": ("image_size", tuple[Side, Side]),
    "model_parts": ("parts", Parts),
    THRESHOLDS_KEY: ("thresholds", Thresholds | None),
}


def stored_model(content: Mapping[Any, Any], ours: bool) -> dict[str, Any]:
    """Return what a weights file says of its model, as arguments of `Weights`.

    In files of others (not `ours`), an entry may have one of these names and mean something else: where its
    kind is another, it is left out. ValueError for values that cannot be, and for contradictions.
    """
    found: dict[str, Any] = {}
    for entry, (argument, hint) in STORED.items():
        try:
            found |= {argument: conform(content[entry], hint, entry)} if entry in content else {}
        except KindError:
            if ours:
                raise
    if names := found.get("class_names"):
        found["class_names"] = class_names_of(names, "class_names")
    check_thresholds(found.get("thresholds"), found.get("class_names"))
    if parts := found.get("parts"):
        unknown = content["model_parts"].keys() - vars(parts).keys()
        if unknown:
            raise ValueError(f"model_parts has {shown(unknown.pop())}, which is no part of a model")
        found["parts"] = {part: value for part, value in vars(parts).items() if value is not None}
    return found


def check_thresholds(thresholds: Thresholds | None, class_names: tuple[str, ...] | None) -> None:
    """Raise ValueError unless there is a threshold for each class."""
    if thresholds is not None and class_names is not None and len(thresholds.by_class) != len(class_names):
        raise ValueError(f"{len(thresholds.by_class)} thresholds for {len(class_names)} classes")


@contextmanager
def naming(path: Path | str, advice: str = "download or save it again") -> Iterator[None]:
    """Name the file of weights, and what to do, in a ValueError about what it holds."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{path} is damaged or contradicts itself: {error}; {advice}") from None
