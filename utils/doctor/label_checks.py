"""Checks of boxes: which of them cannot be right, or are worth a look."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from utils.doctor.box_rules import beyond_border, box_owners, overlapping_boxes, tiny, training_sides, whole
from utils.doctor.finding import Finding, Location, Severity, by_split, number_of, serious_beyond
from utils.doctor.splits import Split

SMALL = 8.0  # pixels at the size of training: the finest grid of most networks
SMALL_BOXES = 0.1  # share of the boxes: with fewer that small, the image size is not the problem
FAULTS = ("inverted", "empty", "outside")  # words in readers' reasons


def check_labels(splits: Sequence[Split], image_size: tuple[int, int]) -> list[Finding]:
    """Everything that boxes give away; `image_size` is (height, width) of training."""
    checks = (
        broken_labels,
        clipped_boxes,
        boxes_beyond,
        doubled_boxes,
        conflicting_boxes,
        tiny_boxes,
        whole_boxes,
    )
    findings = [finding for check in checks for finding in check(splits)]
    return [*findings, *small_boxes(splits, image_size)]


def broken_labels(splits: Sequence[Split]) -> Iterator[Finding]:
    """What the readers could not use and left out."""
    places = [
        Location(split.name, problem.file, detail=problem.reason)
        for split in splits
        for problem in split.problems
    ]
    if places:
        kinds = Counter(next((f for f in FAULTS if f in place.detail), "other") for place in places)
        text = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        found = Counter(place.split for place in places)
        shares = {s.name: (found[s.name], len(s.index.boxes) + found[s.name]) for s in splits}
        sentence = f"{number_of(len(places), 'annotation', 'are')} broken ({text}): left out or mended."
        fix = "Correct them in your labelling tool: problems.json names each with its file."
        yield Finding("broken-labels", serious_beyond(shares), len(places), sentence, fix, places)


def clipped_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Boxes that reached past the border, which the reader has cut there."""
    counts = {split.name: split.clipped for split in splits if split.clipped}
    if counts:
        count = sum(counts.values())
        text = ", ".join(f"{name} {number}" for name, number in counts.items())
        shares = {split.name: (split.clipped, len(split.index.boxes)) for split in splits}
        severity: Severity = "note" if serious_beyond(shares) == "warning" else "warning"
        sentence = f"{number_of(count, 'box', 'are')} cut at the border of the image ({text})."
        fix = "By a pixel or two this is nothing; if more, look whether images were resized after labelling."
        yield Finding("clipped", severity, count, sentence, fix)


def boxes_beyond(splits: Sequence[Split]) -> Iterator[Finding]:
    """Boxes that reach past the border of their image; VOC's are clipped by the reader."""
    yield from _box_finding(
        splits,
        "beyond",
        beyond_border,
        "reach",
        "beyond the image ({}), as boxes of another image or size do.",
        "Look at them: resized images and mixed-up files show here first.",
    )


def doubled_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Two boxes of one class on one object."""
    yield from _box_finding(
        splits,
        "doubled",
        lambda split: overlapping_boxes(split.index)[0],
        "cover",
        "an object that has a box of the same class already ({}): one of the two always counts as missed.",
        "Remove one of the two.",
    )


def conflicting_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Two boxes of different classes on one object."""
    yield from _box_finding(
        splits,
        "conflicting",
        lambda split: overlapping_boxes(split.index)[1],
        "cover",
        "an object that has a box of another class too ({}).",
        "Decide on one class for each, unless an object of yours may have two.",
    )


def tiny_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Boxes with a side of less than 2 pixels."""
    yield from _box_finding(
        splits,
        "tiny",
        tiny,
        "have",
        "a side of less than 2 pixels ({}): nothing can be learned from them.",
        "They are usually slips of the mouse: remove them.",
    )


def whole_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Boxes of the whole image; a data set of single things close up has them rightly."""
    for finding in _box_finding(
        splits,
        "whole-picture",
        whole,
        "cover",
        "the whole image ({}).",
        "Right for single things close up; else remove them.",
    ):
        yield finding._replace(severity="note")


def small_boxes(splits: Sequence[Split], image_size: tuple[int, int]) -> Iterator[Finding]:
    """Many boxes that training will hardly see at its image size."""
    sides = np.concatenate([training_sides(split, image_size) for split in splits])
    count = int((sides < SMALL).sum())
    if count > SMALL_BOXES * len(sides):
        sentence = (
            f"{count:,} of {number_of(len(sides), 'box', 'are')} below 8 pixels at the training size of "
            f"{image_size[0]} x {image_size[1]}: networks hardly find such."
        )
        fix = "Train at a larger --image-size, or cut the images into overlapping tiles."
        yield Finding("small", "warning", count, sentence, fix)


def _box_finding(
    splits: Sequence[Split],
    kind: str,
    wrong: Callable[[Split], NDArray[np.bool_]],
    verb: str,
    sentence: str,
    fix: str,
) -> Iterator[Finding]:
    """One finding for the boxes, over all splits, that `wrong` marks: bool [M]."""
    marked = {split.name: wrong(split) & ~split.index.crowd for split in splits}
    places = [place for split in splits for place in _box_places(split, marked[split.name])]
    if places:
        count = sum(int(mask.sum()) for mask in marked.values())
        severity = serious_beyond({name: (int(mask.sum()), len(mask)) for name, mask in marked.items()})
        text = f"{number_of(count, 'box', verb)} {sentence.format(by_split(places, splits, boxes=True))}"
        yield Finding(kind, severity, count, text, fix, places)


def _box_places(split: Split, marked: np.ndarray) -> list[Location]:
    boxes = np.flatnonzero(marked)
    owners = box_owners(split.index)[boxes]
    images, starts = np.unique(owners, return_index=True)
    parts = np.split(boxes, starts[1:]) if len(images) else []
    return [
        Location(split.name, str(split.index.path(image)), image, tuple(part.tolist()))
        for image, part in zip(images.tolist(), parts, strict=True)
    ]
