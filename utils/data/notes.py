"""Notes of the readers: what lies in the files of a data set and was left out or changed, and where."""

from collections.abc import Iterable, Sequence
from typing import NamedTuple

MAX_PROBLEMS = 10_000  # per note: the count is exact, the list is cut off
MAX_LINES = 10  # in one message

NO_LABEL_FILE = "images without a label file, which count as images without objects"
IMAGES_SKIPPED = "images skipped"
IMAGES_REPEATED = "images that occur again, skipped"
IMAGES_SPLIT = "images listed again with other boxes"
OBJECTS_SKIPPED = "objects skipped"
OTHER_CLASSES = "objects of other classes skipped"
CLIPPED = "boxes clipped at the image border"
FILES_UNUSED = "files not used"
REPAIRED = "contradictions repaired"
CLASSES_DIFFER = "class lists that differ, matched by name"


class Problem(NamedTuple):
    """A problem with a file, and the reason."""

    file: str
    reason: str


class Note(NamedTuple):
    """One kind of problem that a reader worked around.

    kind      what was done, with a plural noun to follow the count: "objects skipped"
    subject   what the note is about if the kind does not say it: a class name
    number    number of boxes, images or files
    problems  the first `MAX_PROBLEMS` of them
    """

    kind: str
    subject: str
    number: int
    problems: tuple[Problem, ...]


Notes = tuple[Note, ...]


class NoteTaker:
    """Collects problems into notes, one per kind and subject."""

    def __init__(self) -> None:
        self._counts: dict[tuple[str, str], int] = {}
        self._problems: dict[tuple[str, str], list[Problem]] = {}

    def add(self, kind: str, file: object, reason: str, *, subject: str = "", count: int = 1) -> None:
        """Add a problem with a file, which concerns `count` boxes, images or files."""
        key = kind, subject
        self._counts[key] = self._counts.get(key, 0) + count
        problems = self._problems.setdefault(key, [])
        if len(problems) < MAX_PROBLEMS:
            problems.append(Problem(str(file), reason))

    def notes(self) -> Notes:
        """Return the notes so far, in the order in which the kinds appeared."""
        return tuple(Note(*key, count, tuple(self._problems[key])) for key, count in self._counts.items())


def merge_notes(groups: Iterable[Notes]) -> Notes:
    """Return the notes of several data sets as one, without identical notes of files read twice."""
    merged: dict[tuple[str, str], Note] = {}
    for note in dict.fromkeys(note for notes in groups for note in notes):
        key = note.kind, note.subject
        earlier = merged.get(key, Note(*key, 0, ()))
        problems = (*earlier.problems, *note.problems)[:MAX_PROBLEMS]
        merged[key] = Note(*key, earlier.number + note.number, problems)
    return tuple(merged.values())


def count_of(notes: Notes, kind: str) -> int:
    """Return the number of boxes, images or files of a kind."""
    return sum(note.number for note in notes if note.kind == kind)


def problems_of(notes: Notes, kinds: Sequence[str]) -> list[Problem]:
    """Return the problems of these kinds."""
    return [problem for note in notes if note.kind in kinds for problem in note.problems]


def counts_by_subject(notes: Notes, kind: str) -> dict[str, int]:
    """Return the counts of a kind by subject: the number of skipped objects by class name."""
    return {note.subject: note.number for note in notes if note.kind == kind}


def note_lines(notes: Notes) -> list[str]:
    """Return a line per note: the count, the kind, the subject and the first location."""
    lines = []
    for note in notes:
        where = "".join(f": {file}: {reason}" for file, reason in note.problems[:1])
        subject = f" ({note.subject})" if note.subject else ""
        such_as = where.replace(": ", ", such as ", 1) if note.number > 1 else where
        lines.append(f"{note.number} {note.kind}{subject}{such_as}")
    more = len(lines) - MAX_LINES
    return lines if more <= 0 else [*lines[:MAX_LINES], f"and {more} more kinds of problems"]
