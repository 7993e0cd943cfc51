"""Settings dataclasses: the range of a value beside its field, and nested groups as one flat table.

A script's `Config` holds groups of settings with flat flags: `group: OmitArgPrefixes[Group] = Group()`.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args, get_type_hints

from utils.system.validation import Preflight

C = TypeVar("C")


@dataclass(frozen=True)
class Range:
    """What a value has to be, in words and as a function; None and "auto" are always allowed."""

    text: str
    fits: Callable[[Any], bool]

    def check(self, name: str, value: object) -> None:
        """ValueError that names the flag if the value is out of the range."""
        if value not in (None, "auto") and not self.fits(value):
            raise ValueError(f"{flag(name)} must be {self.text}, not {value}")


PositiveInt = Annotated[int, Range("at least 1", lambda value: value >= 1)]
NonNegativeInt = Annotated[int, Range("at least 0", lambda value: value >= 0)]
PositiveFloat = Annotated[float, Range("above 0", lambda value: value > 0)]
NonNegativeFloat = Annotated[float, Range("at least 0", lambda value: value >= 0)]
Fraction = Annotated[float, Range("from 0 to 1", lambda value: 0 <= value <= 1)]
PositiveFraction = Annotated[float, Range("above 0 and at most 1", lambda value: 0 < value <= 1)]
OpenFraction = Annotated[float, Range("above 0 and below 1", lambda value: 0 < value < 1)]
PlainName = Annotated[str, Range("a plain name", lambda value: Path(value).name == value)]


def flag(name: str) -> str:
    """The flag of a field, such as --batch-size."""
    return f"--{name.replace('_', '-')}"


def check_ranges(config: object) -> None:
    """ValueError that names every value, nested groups included, that is out of its range."""
    preflight = Preflight()
    for group in _groups(config):
        hints = get_type_hints(type(group), include_extras=True)
        for field in fields(group):  # type: ignore[arg-type]
            for allowed in _ranges(hints[field.name]):
                with preflight.check():
                    allowed.check(field.name, getattr(group, field.name))
    preflight.finish()


def flat_values(config: object) -> dict[str, Any]:
    """The values of a settings dataclass by field, those of nested groups among them."""
    values: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        values |= flat_values(value) if is_dataclass(value) else {field.name: value}
    return values


def with_values(config: C, values: Mapping[str, Any]) -> C:
    """The settings with some values changed, wherever they are nested; other names are ignored."""
    changes: dict[str, Any] = {}
    for field in fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if is_dataclass(value):
            changes[field.name] = with_values(value, values)
        elif field.name in values:
            changes[field.name] = values[field.name]
    return replace(config, **changes)  # type: ignore[type-var]


def flat_types(kind: type) -> dict[str, Any]:
    """The type of each field of a settings dataclass, those of nested groups among them."""
    found: dict[str, Any] = {}
    for name, hint in get_type_hints(kind).items():
        found |= flat_types(hint) if is_dataclass(hint) and isinstance(hint, type) else {name: hint}
    return found


def _groups(config: object) -> Iterator[object]:
    yield config
    for field in fields(config):  # type: ignore[arg-type]
        value = getattr(config, field.name)
        if is_dataclass(value):
            yield from _groups(value)


def _ranges(hint: Any) -> Iterator[Range]:
    """The ranges in a type, such as that of `PositiveInt | None`."""
    for part in get_args(hint):
        if isinstance(part, Range):
            yield part
        else:
            yield from _ranges(part)
