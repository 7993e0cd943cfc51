"""Settings dataclasses: value ranges declared with the fields, and nested groups seen as one flat table.

A script's `Config` holds groups of settings with flat flags: `group: OmitArgPrefixes[Group] = Group()`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeGuard, TypeVar, get_args, get_type_hints

from utils.system.validation import Preflight

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")


@dataclass(frozen=True)
class Range:
    """The valid values of a setting, as text and as a function; None and "auto" are always allowed."""

    text: str
    fits: Callable[[Any], bool]

    def problem(self, name: str, value: object) -> str | None:
        """Return what is wrong with the value of a field, with its flag; None if it is valid."""
        if value in (None, "auto") or self.fits(value):
            return None
        return f"{flag(name)} must be {self.text}, not {value}"


PositiveInt = Annotated[int, Range("at least 1", lambda value: value >= 1)]
NonNegativeInt = Annotated[int, Range("at least 0", lambda value: value >= 0)]
PositiveFloat = Annotated[float, Range("above 0", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, Range("at least 0", lambda value: value >= 0)]
Fraction = Annotated[float, Range("from 0 to 1", lambda value: 0 <= value <= 1)]
PositiveFraction = Annotated[float, Range("above 0 and at most 1", lambda value: 0 < value <= 1)]
OpenFraction = Annotated[float, Range("above 0 and below 1", lambda value: 0 < value < 1)]
PlainName = Annotated[str, Range("a plain name", lambda value: Path(value).name == value)]


def flag(name: str) -> str:
    """Return the flag of a field, such as --batch-size."""
    return f"--{name.replace('_', '-')}"


def check_ranges(config: "DataclassInstance") -> None:
    """Raise ValueError with all values that are out of range, also in nested groups."""
    preflight = Preflight()
    for group in _groups(config):
        hints = get_type_hints(type(group), include_extras=True)
        for field in fields(group):
            problems = (x.problem(field.name, getattr(group, field.name)) for x in _ranges(hints[field.name]))
            preflight.problems += filter(None, problems)
    preflight.finish()


def flat_values(config: "DataclassInstance") -> dict[str, Any]:
    """Return the values of a settings dataclass and of nested groups by field name."""
    values: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        values |= flat_values(value) if _is_group(value) else {field.name: value}
    return values


def with_values(config: S, values: Mapping[str, Any]) -> S:
    """Return the settings with some values changed, also in nested groups; unknown names are ignored."""
    changes: dict[str, Any] = {}
    for field in fields(config):
        value = getattr(config, field.name)
        if _is_group(value):
            changes[field.name] = with_values(value, values)
        elif field.name in values:
            changes[field.name] = values[field.name]
    return replace(config, **changes)


def flat_types(kind: type) -> dict[str, Any]:
    """Return the types of a settings dataclass and of nested groups by field name."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        found |= flat_types(hint) if is_dataclass(hint) and isinstance(hint, type) else {name: hint}
    return found


def _is_group(value: object) -> "TypeGuard[DataclassInstance]":
    return is_dataclass(value) and not isinstance(value, type)


def _groups(config: "DataclassInstance") -> Iterator["DataclassInstance"]:
    yield config
    for field in fields(config):
        value = getattr(config, field.name)
        if _is_group(value):
            yield from _groups(value)


def _ranges(hint: Any) -> Iterator[Range]:
    """Yield the ranges in a type hint, such as the range in `PositiveInt | None`."""
    for part in get_args(hint):
        if isinstance(part, Range):
            yield part
        else:
            yield from _ranges(part)
