"""Checks of what there is of each class, in each split."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from utils.data.class_names import names_with_counts
from utils.data.index import count_objects
from utils.doctor.finding import Finding, Location, Severity, number_of
from utils.doctor.splits import Split

FEW = 50  # objects of a class to train on: below, it is hardly learned
UNEVEN = 100  # times as many objects of the most frequent class as of the rarest
EMPTY_SHARE = 0.5  # of the images
NAMED = 10  # classes named in a sentence


def check_classes(splits: Sequence[Split]) -> list[Finding]:
    """Everything that counting objects shows; the first split is the one trained on."""
    counts = [count_objects_of(split) for split in splits]
    names = splits[0].index.class_names
    findings = [*no_objects(splits), *unknown_names(splits), *empty_images(splits)]
    return [*findings, *untrained(splits, counts, names), *few(splits, counts, names)]


def count_objects_of(split: Split) -> np.ndarray:
    """Objects of each class, int64 [C]; those that count."""
    return count_objects(split.index)


def no_objects(splits: Sequence[Split]) -> Iterator[Finding]:
    """Splits without any object."""
    if names := [split.name for split in splits if not count_objects_of(split).any()]:
        sentence = f"There is no object at all in {', '.join(names)}."
        fix = "See whether the names in the annotations are those of --classes."
        yield Finding("no-objects", "serious", len(names), sentence, fix)


def unknown_names(splits: Sequence[Split]) -> Iterator[Finding]:
    """Names that the class list lacks: their objects were left out."""
    strangers = sum((Counter(split.strangers or {}) for split in splits), Counter[str]())
    if strangers:
        sentence = (
            f"{number_of(strangers.total(), 'object', 'are')} left out, as the class list lacks the name: "
            f"{names_with_counts(strangers)}."
        )
        fix = "Add the names to the file of --classes, or correct them where they are misspelt."
        yield Finding("unknown-names", "warning", strangers.total(), sentence, fix)


def empty_images(splits: Sequence[Split]) -> Iterator[Finding]:
    """Images without objects: useful against false alarms, unless somebody forgot to label them."""
    counts = {split.name: int((np.diff(split.index.box_offsets) == 0).sum()) for split in splits}
    if total := sum(counts.values()):
        many = any(counts[split.name] > EMPTY_SHARE * len(split.index) for split in splits)
        text = ", ".join(f"{name} {count}" for name, count in counts.items() if count)
        sentence = f"{number_of(total, 'image', 'have')} no object ({text})."
        fix = "Good against false alarms if really nothing is there; see that none was forgotten."
        places = [
            Location(split.name, str(split.index.path(image)), image)
            for split in splits
            for image in np.flatnonzero(np.diff(split.index.box_offsets) == 0).tolist()
        ]
        yield Finding("empty", "warning" if many else "note", total, sentence, fix, places)


def untrained(
    splits: Sequence[Split], counts: Sequence[np.ndarray], names: Sequence[str]
) -> Iterator[Finding]:
    """Classes that are tested but not trained, the other way round, and those that are nowhere."""
    tested = sum(counts[1:], np.zeros(len(names), np.int64))
    trained = splits[0].name
    cases = (
        ("untrained", (counts[0] == 0) & (tested > 0), f"no object in {trained}, but in other splits"),
        ("untested", (counts[0] > 0) & (tested == 0) & (len(splits) > 1), f"objects in {trained} alone"),
        ("absent", (counts[0] == 0) & (tested == 0), "no object anywhere"),
    )
    fixes = (
        "They cannot be learned: move images of them to the training data, or take them off the list.",
        "Nothing will show how well they are found: move some images of them to the other splits.",
        "Take them off the class list, or see whether their names are spelt as in the annotations.",
    )
    for (kind, mask, what), fix in zip(cases, fixes, strict=True):
        if mask.any():
            sentence = f"{number_of(int(mask.sum()), 'class', 'have')} {what}: {_named(mask, names)}."
            severity: Severity = "serious" if kind == "untrained" else "warning"
            yield Finding(kind, severity, int(mask.sum()), sentence, fix)


def few(splits: Sequence[Split], counts: Sequence[np.ndarray], names: Sequence[str]) -> Iterator[Finding]:
    """Classes with few objects to train on, and how uneven the classes are."""
    trained = counts[0]
    scarce = (trained > 0) & (trained < FEW)
    if scarce.any():
        sentence = (
            f"{number_of(int(scarce.sum()), 'class', 'have')} fewer than {FEW} objects in {splits[0].name}: "
            f"{_named(scarce, names, trained)}."
        )
        fix = "Label more of them, rather than more of the others."
        yield Finding("few", "warning", int(scarce.sum()), sentence, fix)
    present = trained[trained > 0]
    if len(present) > 1 and present.max() > UNEVEN * present.min():
        sentence = (
            f"The most frequent class has {present.max() / present.min():.0f} times as many objects as the "
            f"rarest ({names[int(trained.argmax())]} {present.max():,}, "
            f"{names[int(np.where(trained > 0, trained, trained.max() + 1).argmin())]} {present.min():,})."
        )
        fix = "Look at the AP of each class, not at the mean alone; --class-weights auto may help."
        yield Finding("uneven", "note", 1, sentence, fix)


def _named(mask: np.ndarray, names: Sequence[str], counts: np.ndarray | None = None) -> str:
    chosen = np.flatnonzero(mask).tolist()
    shown = [names[label] if counts is None else f"{names[label]} ({counts[label]})" for label in chosen]
    more = [f"and {len(shown) - NAMED} more"] if len(shown) > NAMED else []
    return ", ".join([*shown[:NAMED], *more])
