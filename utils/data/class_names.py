"""The class list: one name a line; the line's number is the label, from 0."""

from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from utils.system.files import read_text


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Class names in the order of their labels.

    Blank lines, spaces at either end and a byte order mark are ignored: a newline at the end adds no class.
    Raises `ValueError` if the file is missing, is not UTF-8, holds no name, or holds a name twice.
    """
    path = Path(path)
    names = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    if not names:
        raise ValueError(f"{path} holds no class name: write one a line")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{path} holds {', '.join(map(repr, repeated))} more than once: keep one line of each"
        )
    return tuple(names)


def names_with_counts(counts: Mapping[str, int]) -> str:
    """Names found in a data set with their counts, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({count})" for name, count in ranked) or "none"


def names_to_paste(counts: Mapping[str, int]) -> str:
    """What to do where the class list does not fit the data: names with counts, then a list to paste."""
    names = "\n".join(sorted(counts))
    advice = f"\nTo train on all of them, put these lines into the file given with --classes:\n{names}"
    return f"Names found: {names_with_counts(counts)}{advice if counts else ''}"
