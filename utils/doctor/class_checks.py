"""Checks of the classes: the number of objects per class and split."""

from collections import Counter
from collections.abc import Iterator, Sequence

import numpy as np

from utils.data.class_names import names_with_counts, some_of
from utils.data.index import count_objects
from utils.doctor.finding import Finding, Location, Severity, number_of
from utils.doctor.splits import Split

FEW_OBJECTS = 50  # minimum per class in the training data: classes with fewer are hardly learned
UNEVEN_RATIO = 100  # object count of the most frequent class / object count of the rarest
EMPTY_SHARE = 0.5  # fraction of the images
MAX_CLASSES_NAMED = 10  # maximum in one sentence


def check_classes(splits: Sequence[Split]) -> list[Finding]:
    """Return all findings about object counts; the first split is the training data."""
    counts = [count_objects(split.index) for split in splits]
    return [
        *splits_without_objects(splits, counts),
        *unknown_names(splits),
        *images_without_objects(splits),
        *absent_classes(splits, counts),
        *rare_classes(splits, counts[0]),
        *uneven_classes(splits, counts[0]),
    ]


def splits_without_objects(splits: Sequence[Split], counts: Sequence[np.ndarray]) -> Iterator[Finding]:
    """Yield a finding for splits without objects; `counts`: objects per class, one int64 [C] per split."""
    if names := [split.name for split, objects in zip(splits, counts, strict=True) if not objects.any()]:
        sentence = f"There is no object at all in {', '.join(names)}."
        fix = "Check whether the names in the annotations are those of --classes."
        yield Finding("no-objects", "serious", len(names), sentence, fix)


def unknown_names(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for class names missing in the class list, whose objects were skipped."""
    unknown = sum((Counter(split.unknown_names) for split in splits), Counter[str]())
    if unknown:
        sentence = (
            f"{number_of(unknown.total(), 'object', 'are')} skipped, as the class list lacks the name: "
            f"{names_with_counts(unknown)}."
        )
        fix = "Add the names to the file of --classes, or correct them where they are misspelt."
        yield Finding("unknown-names", "warning", unknown.total(), sentence, fix)


def images_without_objects(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for images without objects: useful negatives, unless labels were forgotten."""
    locations = [
        Location(split.name, str(split.index.path(number)), number)
        for split in splits
        for number in np.flatnonzero(np.diff(split.index.box_offsets) == 0).tolist()
    ]
    if locations:
        counts = Counter(location.split for location in locations)
        many = any(counts[split.name] > EMPTY_SHARE * len(split.index) for split in splits)
        text = ", ".join(f"{name} {count}" for name, count in counts.items())
        sentence = f"{number_of(len(locations), 'image', 'have')} no object ({text})."
        fix = (
            "They help against false positives if they really show no object; check that none was forgotten."
        )
        yield Finding("empty", "warning" if many else "note", len(locations), sentence, fix, locations)


def absent_classes(splits: Sequence[Split], counts: Sequence[np.ndarray]) -> Iterator[Finding]:
    """Yield findings for classes without objects in the training data, in the other splits, or in all."""
    names, train = splits[0].index.class_names, splits[0].name
    trained, tested = counts[0] > 0, sum(counts[1:], np.zeros(len(names), np.int64)) > 0
    cases: tuple[tuple[str, Severity, np.ndarray, str, str], ...] = (
        (
            "untrained",
            "serious",
            ~trained & tested,
            f"no object in {train}, but in other splits",
            "They cannot be learned: move images of them to the training data, or remove them from the list.",
        ),
        (
            "untested",
            "warning",
            trained & ~tested & (len(splits) > 1),
            f"objects in {train} only",
            "Nothing will show how well they are detected: move some images of them to the other splits.",
        ),
        (
            "absent",
            "warning",
            ~trained & ~tested,
            "no object anywhere",
            "Remove them from the class list, or check how the annotations spell their names.",
        ),
    )
    for kind, severity, mask, what, fix in cases:
        if count := int(mask.sum()):
            listed = some_of([names[label] for label in np.flatnonzero(mask)], MAX_CLASSES_NAMED)
            sentence = f"{number_of(count, 'class', 'have')} {what}: {listed}."
            yield Finding(kind, severity, count, sentence, fix)


def rare_classes(splits: Sequence[Split], trained: np.ndarray) -> Iterator[Finding]:
    """Yield a finding for classes with few training objects; `trained`: objects per class, int64 [C]."""
    names = splits[0].index.class_names
    rare = np.flatnonzero((trained > 0) & (trained < FEW_OBJECTS)).tolist()
    if rare:
        listed = some_of([f"{names[label]} ({trained[label]})" for label in rare], MAX_CLASSES_NAMED)
        sentence = (
            f"{number_of(len(rare), 'class', 'have')} fewer than {FEW_OBJECTS} objects in {splits[0].name}: "
            f"{listed}."
        )
        fix = "Label more of them, rather than more of the others."
        yield Finding("few", "warning", len(rare), sentence, fix)


def uneven_classes(splits: Sequence[Split], trained: np.ndarray) -> Iterator[Finding]:
    """Yield a finding for class imbalance: far more objects of one class than of another."""
    names = splits[0].index.class_names
    present = np.flatnonzero(trained)
    if not len(present):
        return
    most, least = present[trained[present].argmax()], present[trained[present].argmin()]
    if trained[most] > UNEVEN_RATIO * trained[least]:
        sentence = (
            f"The most frequent class has {trained[most] / trained[least]:.0f} times as many objects as the "
            f"rarest ({names[most]} {trained[most]:,}, {names[least]} {trained[least]:,})."
        )
        fix = "Look at the AP of each class, not only at the mean; --class-weights auto may help."
        yield Finding("uneven", "note", 1, sentence, fix)
