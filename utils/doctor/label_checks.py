"""Checks of the boxes and labels: which are wrong or suspicious."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np

from utils.data.types import Size
from utils.doctor.box_rules import (
    BoxMask,
    box_owners,
    boxes_beyond_border,
    conflicting_boxes,
    doubled_boxes,
    tiny_boxes,
    training_sides,
    whole_image_boxes,
)
from utils.doctor.finding import Finding, Location, Severity, by_split, number_of, serious_beyond
from utils.doctor.splits import Split

SMALL_SIDE = 8.0  # pixels at the training size: the finest stride of most networks
SMALL_BOX_SHARE = 0.1  # fraction of the boxes: with fewer small ones, the image size is fine
FAULTS = ("inverted", "empty", "outside")  # words to look for in the readers' reasons


class BoxRule(NamedTuple):
    """A rule that boxes can break.

    kind      kind of the finding
    severity  severity of the finding; None: serious if more than 1 % of a split breaks the rule, else a
        warning
    broken    function that returns the boxes of a split that break the rule
    verb      verb of the sentence, in the plural: "2 boxes cover"
    sentence  rest of the sentence; {} is replaced by the number of boxes per split
    fix       what to do
    """

    kind: str
    severity: Severity | None
    broken: Callable[[Split], BoxMask]
    verb: str
    sentence: str
    fix: str


BOX_RULES = (
    BoxRule(
        kind="beyond",
        severity=None,
        broken=boxes_beyond_border,
        verb="reach",
        sentence="beyond the image border ({}), like boxes of another image or of another image size.",
        fix="Look at them: images that were resized or mixed up show here first.",
    ),
    BoxRule(
        kind="doubled",
        severity=None,
        broken=doubled_boxes,
        verb="cover",
        sentence="an object that already has a box of the same class ({}): one of the two always counts as "
        "missed.",
        fix="Remove one of the two.",
    ),
    BoxRule(
        kind="conflicting",
        severity=None,
        broken=conflicting_boxes,
        verb="cover",
        sentence="an object that also has a box of another class ({}).",
        fix="Decide on one class for each, unless your objects may have two.",
    ),
    BoxRule(
        kind="tiny",
        severity=None,
        broken=tiny_boxes,
        verb="have",
        sentence="a side shorter than 2 pixels ({}): nothing can be learned from them.",
        fix="They are usually slips of the mouse: remove them.",
    ),
    BoxRule(
        kind="whole-picture",  # name of earlier versions, so that reports can be compared
        severity="note",
        broken=whole_image_boxes,
        verb="cover",
        sentence="the whole image ({}).",
        fix="This is right for close-ups of single objects; otherwise remove them.",
    ),
)


def check_labels(splits: Sequence[Split], image_size: Size) -> list[Finding]:
    """Return all findings about boxes and labels; `image_size` is the training size (height, width)."""
    return [
        *broken_labels(splits),
        *clipped_boxes(splits),
        *(finding for rule in BOX_RULES for finding in apply_rule(rule, splits)),
        *small_boxes(splits, image_size),
    ]


def apply_rule(rule: BoxRule, splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield one finding for all boxes of all splits that break the rule, except crowds."""
    masks = {split.name: rule.broken(split) & ~split.index.crowd for split in splits}
    locations = [location for split in splits for location in _box_locations(split, masks[split.name])]
    if locations:
        count = sum(int(mask.sum()) for mask in masks.values())
        shares = {name: (int(mask.sum()), len(mask)) for name, mask in masks.items()}
        counts = by_split(locations, splits, boxes=True)
        sentence = f"{number_of(count, 'box', rule.verb)} {rule.sentence.format(counts)}"
        yield Finding(
            rule.kind, rule.severity or serious_beyond(shares), count, sentence, rule.fix, locations
        )


def broken_labels(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for annotations that the readers skipped or repaired."""
    locations = [
        Location(split.name, problem.file, detail=problem.reason)
        for split in splits
        for problem in split.problems
    ]
    if locations:
        kinds = Counter(next((f for f in FAULTS if f in location.detail), "other") for location in locations)
        text = ", ".join(f"{kind} {count}" for kind, count in kinds.most_common())
        found = Counter(location.split for location in locations)
        shares = {s.name: (found[s.name], len(s.index.boxes) + found[s.name]) for s in splits}
        sentence = f"{number_of(len(locations), 'annotation', 'are')} broken ({text}): skipped or repaired."
        fix = "Correct them in your labelling tool: problems.json names each with its file."
        yield Finding("broken-labels", serious_beyond(shares), len(locations), sentence, fix, locations)


def clipped_boxes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for boxes that the reader clipped to the image."""
    counts = {split.name: split.clipped for split in splits if split.clipped}
    if counts:
        count = sum(counts.values())
        text = ", ".join(f"{name} {number}" for name, number in counts.items())
        shares = {split.name: (split.clipped, len(split.index.boxes)) for split in splits}
        severity: Severity = "note" if serious_beyond(shares) == "warning" else "warning"
        sentence = f"{number_of(count, 'box', 'are')} clipped at the image border ({text})."
        fix = "A pixel or two does not matter; if more, check whether images were resized after labelling."
        yield Finding("clipped", severity, count, sentence, fix)


def small_boxes(splits: Sequence[Split], image_size: Size) -> Iterator[Finding]:
    """Yield a finding if many boxes are too small to be detected at the training size."""
    sides = np.concatenate([training_sides(split, image_size) for split in splits])
    count = int((sides < SMALL_SIDE).sum())
    if count > SMALL_BOX_SHARE * len(sides):
        sentence = (
            f"{count:,} of {number_of(len(sides), 'box', 'are')} smaller than 8 pixels at the training size "
            f"of {image_size[0]} x {image_size[1]}: networks rarely detect such objects."
        )
        fix = "Train at a larger --image-size, or cut the images into overlapping tiles."
        yield Finding("small", "warning", count, sentence, fix)


def _box_locations(split: Split, marked: BoxMask) -> list[Location]:
    """Return the marked boxes, as one location per image."""
    boxes = np.flatnonzero(marked)
    owners = box_owners(split.index)[boxes]
    image_numbers, starts = np.unique(owners, return_index=True)
    parts = np.split(boxes, starts[1:]) if len(image_numbers) else []
    return [
        Location(split.name, str(split.index.path(number)), number, tuple(part.tolist()))
        for number, part in zip(image_numbers.tolist(), parts, strict=True)
    ]
