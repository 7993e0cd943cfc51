"""Summaries of data sets and their problems, as text."""

import unicodedata
from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np

from utils.data.index import DatasetIndex
from utils.data.notes import NO_LABEL_FILE, Notes, Problem, count_of, note_lines

MAX_LINES_SHOWN = 10  # maximum number of lines per message


def count_table(indexes: Mapping[str, DatasetIndex], more: Mapping[str, Sequence[int]] | None = None) -> str:
    """Return a table of image counts and object counts per class, with a column per data set.

    more  further rows: row name, and a count per data set

    All data sets must have the same classes.
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
    rows += (more or {}).items()
    return align_columns([["", *indexes], *([name, *map(str, row)] for name, row in rows)])


def data_line(index: DatasetIndex) -> str:
    """Return the number of images and objects, and what of them training does not learn from."""
    unlabelled = count_of(index.notes, NO_LABEL_FILE)
    of_images = f" ({unlabelled} without a label file)" if unlabelled else ""
    flagged = {"crowds": int(index.crowd.sum()), "difficult": int((index.difficult & ~index.crowd).sum())}
    ignored = " and ".join(f"{count} {name}" for name, count in flagged.items() if count)
    of_objects = f" ({ignored}: no training targets)" if ignored else ""
    classes = len(index.class_names)
    return f"{len(index)} images{of_images}, {len(index.labels)} objects{of_objects} of {classes} classes"


def note_text(notes: Notes) -> str:
    """Return the notes of a data set, one per line and indented; empty if there are none."""
    return "\n".join(f"  {line}" for line in note_lines(notes))


def print_notes(index: DatasetIndex) -> None:
    """Print what the reader skipped or changed, if there is any."""
    if index.notes:
        print(note_text(index.notes))


def require_most(problems: Sequence[Problem], total: int, source: object, advice: str) -> None:
    """Raise ValueError with the first problems if they concern more than half of `total` objects.

    A few bad objects are skipped and noted; if most are bad, the file is not what it is taken for.
    """
    if 2 * len(problems) > total:
        lines = first_lines([f"{file}: {reason}" for file, reason in problems])
        raise ValueError(f"{source}: {len(problems)} of {total} objects are bad: {advice}\n{lines}")


def first_lines(lines: Sequence[str]) -> str:
    """Return the first lines, indented, and the number of omitted lines."""
    left = len(lines) - MAX_LINES_SHOWN
    more = [f"and {left} more"] if left > 0 else []
    return "\n".join(f"  {line}" for line in [*lines[:MAX_LINES_SHOWN], *more])


def problem_text(problems: Sequence[Problem], shown: int) -> str:
    """Return the first `shown` problems (0: all), one per line."""
    if not problems:
        return "no problems"
    lines = [f"  {file}: {reason}" for file, reason in problems[: shown or None]]
    left = len(problems) - len(lines)
    more = [f"  and {left} more: --show 0 lists all"] if left else []
    return "\n".join([f"{len(problems)} problems:", *lines, *more])


def shared_images(indexes: Mapping[str, DatasetIndex]) -> list[Problem]:
    """Find data leakage: images in more than one data set, for example in training and test data."""
    paths = {
        name: {index.path(image_number) for image_number in range(len(index))}
        for name, index in indexes.items()
    }
    problems = []
    for one, other in combinations(paths, 2):
        common = sorted(paths[one] & paths[other])
        if common:
            reason = f"{len(common)} images are also in {other}.txt, for example {common[0].name}"
            problems.append(Problem(f"{one}.txt", reason))
    return problems


def align_columns(rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text in any script as a table: first column left-aligned, others right-aligned."""
    widths = [max(map(terminal_width, column)) for column in zip(*rows, strict=True)]
    lines = []
    for row in rows:
        gaps = [" " * (width - terminal_width(cell)) for cell, width in zip(row, widths, strict=True)]
        cells = [gap + cell for cell, gap in zip(row[1:], gaps[1:], strict=True)]
        lines.append("  ".join([row[0] + gaps[0], *cells]).rstrip())
    return "\n".join(lines)


def terminal_width(text: str) -> int:
    """Return the width of text in a terminal: Chinese, Japanese and Korean characters take two columns."""
    return sum(2 if unicodedata.east_asian_width(character) in "WF" else 1 for character in text)
