"""Class names: what is a valid name in every format, and class list files.

A class list has one name per line; the line number, from 0, is the label.
"""

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from utils.system.cli import ROOT
from utils.system.files import read_text, write_text

DEFAULT_CLASSES = ROOT / "model_data" / "voc_classes.txt"
MAX_NAME_LENGTH = 1000  # characters
# Control characters, line and paragraph separators, and halves of surrogate pairs, by Unicode category: XML,
# UTF-8 or a line of a class list cannot hold them. Nor can XML hold the two non-characters.
FORBIDDEN_CATEGORIES = ("Cc", "Zl", "Zp", "Cs")
NON_CHARACTERS = "\ufffe\uffff"


def class_name(text: object) -> str:
    """Return a class name as all formats hold it: without blanks around it, in Unicode's composed form (NFC).

    Raises ValueError for an empty or very long name, one with control characters such as a line end, and
    for anything but text and numbers.
    """
    if not isinstance(text, str | int | float) or isinstance(text, bool):
        raise ValueError(f"a class name is not text, but of the kind {type(text).__name__}")
    name = unicodedata.normalize("NFC", str(text)).strip()
    if not name:
        raise ValueError(f"the class name {text!r} is empty: name the class")
    if len(name) > MAX_NAME_LENGTH:
        raise ValueError(f"the class name {name[:50]!r}... has {len(name)} characters: shorten it")
    if not name.isprintable() and any(map(_is_forbidden, name)):
        raise ValueError(f"the class name {name[:100]!a} has control characters: rename the class")
    return name


def _is_forbidden(character: str) -> bool:
    return unicodedata.category(character) in FORBIDDEN_CATEGORIES or character in NON_CHARACTERS


def class_names_of(names: Sequence[object], source: object) -> tuple[str, ...]:
    """Return the class names of a file, in order of label (see `class_name`).

    Raises ValueError naming the file `source` for an invalid name, names that are alike, or no name at all.
    """
    checked = []
    for number, name in enumerate(names):
        try:
            checked.append(class_name(name))
        except ValueError as error:
            raise ValueError(f"{source}: class {number}: {error}") from None
    if not checked:
        raise ValueError(f"{source} holds no class name")
    if repeated := [name for name, count in Counter(checked).items() if count > 1]:
        listed = some_of([repr(name) for name in repeated], 5)
        raise ValueError(
            f"{source} holds {listed} more than once (blanks around a name do not count): rename or join them"
        )
    return tuple(checked)


def read_classes(path: str | Path) -> tuple[str, ...]:
    """Read a class list, in order of label.

    Blank lines at the end, spaces around names and a byte order mark are ignored. Raises `ValueError` if the
    file is missing, not UTF-8 or empty, has a blank line before or between names (it would be unclear whether
    that line counts), or contains a name twice or one that is not valid.
    """
    path = Path(path)
    lines = [line.strip() for line in read_text(path).split("\n")]
    filled = [number for number, line in enumerate(lines) if line]
    if not filled:
        raise ValueError(f"{path} holds no class name: write one a line")
    names = lines[: filled[-1] + 1]
    if "" in names:
        raise ValueError(
            f"{path}: line {names.index('') + 1} is blank, with class names after it: remove the line, or "
            "name its class, since the label of a class is its line number"
        )
    return class_names_of(names, path)


def write_classes(path: Path, names: Sequence[str]) -> None:
    """Write a class list, which `read_classes` reads back unchanged."""
    write_text(path, "".join(f"{name}\n" for name in class_names_of(names, path)))


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
