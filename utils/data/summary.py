"""What a data set holds and what is wrong with it, as text."""

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np

from utils.data.index import DatasetIndex


class Problem(NamedTuple):
    """Something broken: in which file, and what."""

    file: str
    reason: str


def count_table(indexes: Mapping[str, DatasetIndex], more: Mapping[str, Sequence[int]]) -> str:
    """Images and objects by class, a column for each data set; `more` gives further rows of counts.

    All data sets have the same classes.
    """
    columns = list(indexes.values())
    class_counts = [np.bincount(index.labels, minlength=len(index.class_names)) for index in columns]
    rows: list[tuple[str, Sequence[int]]] = [
        ("images", [len(index) for index in columns]),
        ("  without objects", [int((np.diff(index.box_offsets) == 0).sum()) for index in columns]),
        ("objects", [len(index.boxes) for index in columns]),
    ]
    for label, name in enumerate(columns[0].class_names if columns else ()):
        rows.append((f"  {name}", [int(counts[label]) for counts in class_counts]))
    return _aligned(
        [("", list(indexes)), *((name, list(map(str, row))) for name, row in [*rows, *more.items()])]
    )


def problem_text(problems: Sequence[Problem], shown: int) -> str:
    """The problems, one a line, the first `shown` of them (0: all)."""
    if not problems:
        return "no problems"
    lines = [f"  {file}: {reason}" for file, reason in problems[: shown or None]]
    left = len(problems) - len(lines)
    more = [f"  and {left} more: --show 0 lists all"] if left else []
    return "\n".join([f"{len(problems)} problems:", *lines, *more])


def shared_images(indexes: Mapping[str, DatasetIndex]) -> list[Problem]:
    """Data sets that should have no image in common but do: what is trained on must not be tested on."""
    paths = {name: {index.path(image) for image in range(len(index))} for name, index in indexes.items()}
    problems = []
    for one, other in combinations(paths, 2):
        common = sorted(paths[one] & paths[other])
        if common:
            reason = f"{len(common)} images are also in {other}.txt, such as {common[0].name}"
            problems.append(Problem(f"{one}.txt", reason))
    return problems


def _aligned(rows: Sequence[tuple[str, Sequence[str]]]) -> str:
    """Names to the left, columns to the right, however wide the script."""
    first = max(text_width(name) for name, _ in rows)
    widths = [
        max(text_width(cell) for cell in column) for column in zip(*(cells for _, cells in rows), strict=True)
    ]
    return "\n".join(
        name
        + " " * (first - text_width(name))
        + "".join(
            " " * (2 + width - text_width(cell)) + cell for cell, width in zip(cells, widths, strict=True)
        )
        for name, cells in rows
    )


def text_width(text: str) -> int:
    """Columns in a terminal: Chinese, Japanese and Korean characters take two."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
