"""What a check found, as plain data: the kind, how bad it is, what to do, and where."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from utils.doctor.splits import Split

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")  # worst first
SMALL_SHARE = 0.01  # of the boxes or images of a split: if no more are wrong, it is a warning

SINGULAR = {"are": "is", "have": "has", "do": "does", "cannot": "cannot"}  # verbs that do not just take an s


class Location(NamedTuple):
    """Where something was found.

    split         the name of the split
    path          the image or annotation file
    image_number  the number of the image in the split; -1 if none is meant
    boxes         the numbers, in the split's index, of the boxes that are meant
    detail        what is wrong here, if the finding does not say it all
    like          another file to compare it with
    """

    split: str
    path: str
    image_number: int = -1
    boxes: tuple[int, ...] = ()
    detail: str = ""
    like: str = ""


class Finding(NamedTuple):
    """One kind of fault, with all its locations.

    kind      a short name, the same in every report
    severity  serious: training would suffer, or its metrics would mislead; warning: look at it; note
    number    how many boxes, images, files or classes
    sentence  what it is and why it matters
    fix       what to do
    """

    kind: str
    severity: Severity
    number: int
    sentence: str
    fix: str
    locations: Sequence[Location] = ()


def by_split(locations: Iterable[Location], splits: Sequence[Split], boxes: bool = False) -> str:
    """The number of locations (or of boxes in them) in each split: "train 30, val 4"."""
    counts: dict[str, int] = {split.name: 0 for split in splits}
    for location in locations:
        counts[location.split] += len(location.boxes) if boxes else 1
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def serious_beyond(counts: Mapping[str, tuple[int, int]]) -> Severity:
    """Serious if more than a small share of any split is wrong; `counts` are (wrong, all) by split."""
    beyond = any(wrong > SMALL_SHARE * total for wrong, total in counts.values())
    return "serious" if beyond else "warning"


def number_of(count: int, noun: str, verb: str = "") -> str:
    """The count with its noun and verb (given as for many): "2 boxes are", "1 box is"."""
    if count != 1:
        return f"{count:,} {noun}{'es' if noun.endswith(('x', 's')) else 's'} {verb}".rstrip()
    regular = f"{verb}es" if verb.endswith("ch") else f"{verb}s" if verb else ""
    return f"1 {noun} {SINGULAR.get(verb, regular)}".rstrip()
