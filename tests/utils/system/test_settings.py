"""Settings dataclasses: ranges beside the fields, and nested groups as one flat table."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from utils.system.settings import (
    Fraction,
    OpenFraction,
    PlainName,
    PositiveInt,
    check_ranges,
    flat_types,
    flat_values,
    with_values,
)


@dataclass(frozen=True)
class Inner:
    """A group of settings."""

    epochs: PositiveInt | None = None
    momentum: OpenFraction = 0.9


@dataclass(frozen=True)
class Config:
    """Settings with a group."""

    name: PlainName = ""
    batch_size: PositiveInt | str = 8
    inner: Inner = Inner()
    output: Path = Path("logs")
    mosaic: Fraction = 1.0
    names: list[str] = field(default_factory=list)


def test_what_is_in_its_range():
    check_ranges(Config())
    check_ranges(Config("run", "auto", Inner(1, 0.5), mosaic=0.0))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "--epochs must be at least 1, not 0"),
        ({"batch_size": 0}, "--batch-size must be at least 1, not 0"),
        ({"momentum": 1.0}, "--momentum must be above 0 and below 1, not 1.0"),
        ({"mosaic": 1.1}, "--mosaic must be from 0 to 1, not 1.1"),
        ({"mosaic": float("nan")}, "--mosaic must be from 0 to 1, not nan"),
        ({"name": "a/b"}, "--name must be a plain name, not a/b"),
    ],
)
def test_what_is_out_of_its_range(changes, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        check_ranges(with_values(Config(), changes))


def test_all_values_out_of_their_ranges_are_named_at_once():
    with pytest.raises(ValueError, match=r"2 problems to fix[^$]*--mosaic[^$]*--epochs"):
        check_ranges(Config(mosaic=7, inner=Inner(epochs=0)))


def test_nested_settings_as_one_table_and_back():
    values = {
        "name": "",
        "batch_size": 8,
        "epochs": None,
        "momentum": 0.9,
        "output": Path("logs"),
        "mosaic": 1.0,
        "names": [],
    }
    assert flat_values(Config()) == values and [*flat_values(Config())] == [*values]
    changed = values | {"epochs": 3, "name": "x", "momentum": 0.1}
    config = with_values(Config(), changed)
    assert config == Config("x", inner=Inner(3, 0.1)) and flat_values(config) == changed
    assert with_values(Config(), {"of another program": 1}) == Config()


def test_types_by_the_same_names():
    assert flat_types(Config).keys() == flat_values(Config()).keys()
    assert flat_types(Config)["epochs"] == int | None and flat_types(Config)["output"] is Path
