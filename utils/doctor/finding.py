"""What a check found, as plain data: what it is, how bad, what to do, and where to look."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from utils.doctor.splits import Split

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")  # worst first
SMALL_SHARE = 0.01  # of boxes or images: what is wrong with no more than these is worth a look, not more

SINGULAR = {"are": "is", "have": "has", "do": "does", "cannot": "cannot"}  # verbs that do not just take an s


class Location(NamedTuple):
    """Where something was found.

    split   the name of the split
    path    the image or annotation file
    image   the number of the image in the split; -1 where there is none
    boxes   numbers of the boxes in the split's index that are meant
    detail  what is wrong there, where the finding does not say it all
    like    another file that it is to be compared with
    """

    split: str
    path: str
    image: int = -1
    boxes: tuple[int, ...] = ()
    detail: str = ""
    like: str = ""


class Finding(NamedTuple):
    """One kind of fault, with all its places.

    kind      a short name, the same in every report
    severity  serious: training would suffer, or its figures would deceive; warning: look at it; note
    number    how many boxes, images, files or classes
    sentence  what it is and why it matters
    fix       what to do
    """

    kind: str
    severity: Severity
    number: int
    sentence: str
    fix: str
    places: Sequence[Location] = ()


def by_split(places: Iterable[Location], splits: Sequence[Split], boxes: bool = False) -> str:
    """How many places (or boxes in them) each split has: "train 30, val 4"."""
    counts: dict[str, int] = {split.name: 0 for split in splits}
    for place in places:
        counts[place.split] += len(place.boxes) if boxes else 1
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def serious_beyond(counts: Mapping[str, tuple[int, int]]) -> Severity:
    """Serious if in any split more than a small share is wrong; `counts` are (wrong, all) by split."""
    beyond = any(wrong > SMALL_SHARE * total for wrong, total in counts.values())
    return "serious" if beyond else "warning"


def number_of(count: int, noun: str, verb: str = "") -> str:
    """The count with its noun and verb (as of many): "2 boxes are", "1 box is"."""
    if count != 1:
        return f"{count:,} {noun}{'es' if noun.endswith(('x', 's')) else 's'} {verb}".rstrip()
    regular = f"{verb}es" if verb.endswith("ch") else f"{verb}s" if verb else ""
    return f"1 {noun} {SINGULAR.get(verb, regular)}".rstrip()
