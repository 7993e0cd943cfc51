"""Contents of files against types."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

import pytest
import torch
from torch import Tensor

from utils.system.schema import MAX_ENTRIES, MAX_TEXT, KindError, conform, shown
from utils.system.settings import Fraction, Range


class Point(NamedTuple):
    x: int
    y: int = 0


@dataclass(frozen=True)
class Thing:
    name: str
    points: tuple[Point, ...] = ()
    share: Fraction = 0.5


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, float, 1.0),
        ([1, 2], tuple[int, int], (1, 2)),
        ([1, 2, 3], tuple[int, ...], (1, 2, 3)),
        (["a"], list[str], ["a"]),
        ("a/b", Path, Path("a/b")),
        (None, Path | None, None),
        ("auto", int | Literal["auto"], "auto"),
        ({"a": 1}, dict[str, float], {"a": 1.0}),
        ({"name": "n", "points": [{"x": 1, "y": 2}], "new": [[]]}, Thing, Thing("n", (Point(1, 2),))),
        ([[]], Any, [[]]),
    ],
)
def test_what_conforms(value, hint, expected):
    assert conform(value, hint) == expected and type(conform(value, hint)) is type(expected)


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (True, int, "v is True, not a whole number"),
        ("1", float, "v is '1', not a number"),
        (1, str, "v is 1, not a text"),
        ([1], tuple[int, int], "v has 1 entries, not 2"),
        ("ab", tuple[str, ...], "v is 'ab', not a list"),
        ([1, "a"], tuple[int, ...], r"v\[1\] is 'a', not a whole number"),
        ({"a": "b"}, dict[str, int], "v.a is 'b', not a whole number"),
        ({1: 2}, dict[str, int], "a key of v is 1, not a text"),
        ({}, Thing, "v lacks name"),
        ({"x": 1}, Point, "v lacks y"),
        ("x", Literal["a", "b"], "v is 'x', not one of 'a', 'b'"),
        ([], Tensor, "v is a list, not a tensor"),
    ],
)
def test_other_kinds(value, hint, message):
    with pytest.raises(KindError, match=message):
        conform(value, hint, "v")


@pytest.mark.parametrize(
    ("value", "hint", "message"),
    [
        (1.5, Fraction, "v is 1.5, and not from 0 to 1"),
        (float("nan"), float, "v is nan"),
        (float("inf"), float | None, "v is inf"),
        (2**70, int, "v is a huge number"),
        ("x" * (MAX_TEXT + 1), str, "characters, more than"),
        ("a\0b", str, "null character"),
        ("\ud800", Path, "null character or half of one"),
        ([0] * (MAX_ENTRIES + 1), tuple[int, ...], "entries, more than"),
        (torch.zeros(1, device="meta"), Tensor, "without values"),
        (torch.zeros(2, 2).to_sparse(), Tensor, "sparse"),
        ([5], tuple[Annotated[int, Range("below 5", lambda v: v < 5)], ...], r"v\[0\] is 5, and not below 5"),
    ],
)
def test_values_out_of_range(value, hint, message):
    with pytest.raises(ValueError, match=message) as error:
        conform(value, hint, "v")
    assert not isinstance(error.value, KindError)


def test_file_names_need_not_be_utf_8():
    assert conform("a\udcff", Path, "v") == Path("a\udcff")


def test_endless_contents():
    endless: dict[str, Any] = {}
    endless["a"] = endless
    for hint in (dict[str, dict[str, int]], dict[str, int], Thing):
        with pytest.raises(ValueError, match=r"is a dict, not|lacks"):
            conform(endless, hint)
    assert shown(endless) == "a dict" and shown(10**5000) == "a huge number" and len(shown("x" * 10**6)) < 60
