"""Class list files: one name per line; the line number, from 0, is the label."""

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.system.files import read_text


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Read the class names, in order of label.

    Blank lines, surrounding spaces and a byte order mark are ignored. Raises `ValueError` if the file is
    missing, not UTF-8 or empty, or contains a name twice.
    """
    path = Path(path)
    names = [line.strip() for line in read_text(path).split("\n") if line.strip()]
    if not names:
        raise ValueError(f"{path} holds no class name: write one a line")
    repeated = [name for name, count in Counter(names).items() if count > 1]
    if repeated:
        raise ValueError(
            f"{path} holds {', '.join(map(repr, repeated))} more than once: keep one line for each"
        )
    return tuple(names)


def names_with_counts(counts: Mapping[str, int]) -> str:
    """Return class names with counts as text, the most frequent first."""
    ranked = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{name} ({count})" for name, count in ranked) or "none"


def names_to_paste(counts: Mapping[str, int]) -> str:
    """Return advice if the class list does not match the data: names with counts, and a list to paste."""
    names = "\n".join(sorted(counts))
    advice = f"\nTo train on all of them, put these lines into the file given with --classes:\n{names}"
    return f"Names found: {names_with_counts(counts)}{advice if counts else ''}"


def some_of(names: Sequence[str], most: int) -> str:
    """Return the first names separated by commas, and the number of omitted names: "cat, dog and 3 more"."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more
