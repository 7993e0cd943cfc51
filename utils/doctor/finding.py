"""The result of a check as plain data: the kind of fault, its severity, the fix, and the locations."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from utils.doctor.splits import Split

Severity = Literal["serious", "warning", "note"]
SEVERITIES: tuple[Severity, ...] = ("serious", "warning", "note")  # most severe first
SMALL_SHARE = 0.01  # fraction of the boxes or images of a split: up to this, it is a warning

SINGULAR = {"are": "is", "have": "has", "do": "does", "cannot": "cannot"}  # irregular verbs


class Location(NamedTuple):
    """Where something was found.

    split         name of the split
    path          image or annotation file
    image_number  index of the image in the split; -1 for none
    boxes         indices of the boxes, in the index of the split
    detail        what is wrong here, if the finding does not say it all
    like          another file to compare with
    """

    split: str
    path: str
    image_number: int = -1
    boxes: tuple[int, ...] = ()
    detail: str = ""
    like: str = ""


class Finding(NamedTuple):
    """One kind of fault, with all its locations.

    kind      short name, the same in every report
    severity  serious: training would suffer, or metrics would mislead; warning: look at it; note
    number    number of boxes, images, files or classes
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
    """Return the number of locations (or of boxes in them) per split: "train 30, val 4"."""
    counts: dict[str, int] = {split.name: 0 for split in splits}
    for location in locations:
        counts[location.split] += len(location.boxes) if boxes else 1
    return ", ".join(f"{name} {count}" for name, count in counts.items() if count)


def serious_beyond(counts: Mapping[str, tuple[int, int]]) -> Severity:
    """Return "serious" if over 1 % of a split is wrong, else "warning"; `counts`: (wrong, all) per split."""
    beyond = any(wrong > SMALL_SHARE * total for wrong, total in counts.values())
    return "serious" if beyond else "warning"


def number_of(count: int, noun: str, verb: str = "") -> str:
    """Return the count with a singular noun and plural verb made to agree: "2 boxes are", "1 box is"."""
    if count != 1:
        return f"{count:,} {noun}{'es' if noun.endswith(('x', 's')) else 's'} {verb}".rstrip()
    regular = f"{verb}es" if verb.endswith("ch") else f"{verb}s" if verb else ""
    return f"1 {noun} {SINGULAR.get(verb, regular)}".rstrip()
