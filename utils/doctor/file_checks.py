"""Checks of image files: unreadable, of another size than stated, turned by EXIF, oddly stored."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.doctor.finding import Finding, Location, Severity, by_split, number_of, serious_beyond
from utils.doctor.image_facts import MISSING, UPRIGHT, ImageFacts
from utils.doctor.splits import Split
from utils.images.headers import SIDEWAYS

SUFFIXES = {  # of each format, by Pillow's name
    "JPEG": (".jpg", ".jpeg"),
    "MPO": (".jpg", ".jpeg"),  # the JPEG of some telephones, with a second image behind
    "PNG": (".png",),
    "BMP": (".bmp",),
    "DIB": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
}
PLAIN_MODES = ("RGB", "L", "P", "1", "")  # read without loss; palettes too
BEYOND = 1.0  # pixels past the border that rounding and VOC's counting from 1 explain


def check_files(splits: Sequence[Split]) -> list[Finding]:
    """Everything that the files themselves give away."""
    checks = (unreadable_files, stated_sizes, exif_orientations, odd_modes, wrong_suffixes)
    return [finding for check in checks for finding in check(splits)]


def unreadable_files(splits: Sequence[Split]) -> Iterator[Finding]:
    """Files that do not exist, and files that do but hold no whole image."""
    broken = _places(splits, lambda split, image: split.facts[image].error)
    missing = [place for place in broken if place.detail == MISSING]
    damaged = [place for place in broken if place.detail != MISSING]
    if missing:
        sentence = f"{number_of(len(missing), 'image', 'do')} not exist ({by_split(missing, splits)})."
        fix = "Put them where the annotations say, or make the lists again without them."
        yield Finding("missing", "serious", len(missing), sentence, fix, missing)
    if damaged:
        sentence = (
            f"{number_of(len(damaged), 'image', 'cannot')} be read ({by_split(damaged, splits)}): training "
            f"skips them, evaluation counts their objects as missed."
        )
        fix = "Copy them again from their source, or remove them with their annotations."
        yield Finding("unreadable", "serious", len(damaged), sentence, fix, damaged)


def stated_sizes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Images of another size than their annotations say: usually resized after they were labelled."""

    def wrong(split: Split, image: int) -> str:
        stated, true = tuple(split.index.sizes[image].tolist()), split.facts[image].size
        if split.facts[image].error or min(stated) == 0 or stated == true or _is_unturned(split, image):
            return ""
        return f"{stated[1]} x {stated[0]} stated, {true[1]} x {true[0]} in truth"

    if places := _places(splits, wrong):
        sentence = (
            f"{number_of(len(places), 'image', 'have')} another size than stated in the annotations "
            f"({by_split(places, splits)}): after resizing without the boxes, these are misplaced."
        )
        fix = "Look at the boxes; label again, or take the images that were labelled."
        severity = serious_beyond(_shares(places, splits))
        yield Finding("wrong-size", severity, len(places), sentence, fix, places)


def exif_orientations(splits: Sequence[Split]) -> Iterator[Finding]:
    """Images that EXIF turns, where the boxes do not show that they were drawn on the turned image."""
    found = _places(splits, exif_fit)
    cases: tuple[tuple[str, Severity, str], ...] = (
        ("un-turned", "serious", "the boxes were drawn on the un-turned image, and are misplaced"),
        ("stated", "warning", "the stated size is that of the un-turned image, the boxes fit both"),
        ("either", "note", "nothing says on which image the boxes were drawn, as they fit both"),
    )
    for case, severity, meaning in cases:
        places = [place._replace(detail="") for place in found if place.detail == case]
        if places:
            sentence = (
                f"{number_of(len(places), 'image', 'are')} turned as the EXIF orientation says when read "
                f"({by_split(places, splits)}): {meaning}."
            )
            fix = (
                "Look at the boxes on the page, drawn on the turned image. Where they are misplaced, "
                "remove the tag (exiftool -Orientation= FILE): the image is then read as it was labelled."
            )
            yield Finding(f"exif-{case}", severity, len(places), sentence, fix, places)


def exif_fit(split: Split, image: int) -> str:
    """On which image the boxes were drawn, if EXIF turns it: "turned", "un-turned" if they fit that alone,
    "stated" if its size is stated, "either" if nothing tells; "" if nothing is turned or there is no box."""
    facts, boxes = split.facts[image], split.index.boxes[split.index.span(image)]
    if facts.error or facts.orientation == UPRIGHT or not len(boxes):
        return ""
    height, width = facts.size
    if facts.orientation in SIDEWAYS and height != width:
        fits_turned = _inside(boxes, height, width)
        fits_unturned = _inside(boxes, width, height)
        if fits_turned != fits_unturned:
            return "turned" if fits_turned else "un-turned"
        if _is_unturned(split, image):
            return "stated"
        if tuple(split.index.sizes[image].tolist()) == facts.size:
            return "turned"
    return "either"


def odd_modes(splits: Sequence[Split]) -> Iterator[Finding]:
    """CMYK, 16 bits, alpha: they are read, but not without loss."""
    places = _places(
        splits,
        lambda split, image: "" if split.facts[image].mode in PLAIN_MODES else split.facts[image].mode,
    )
    if places:
        modes = Counter(place.detail for place in places)
        text = ", ".join(f"{mode} {count}" for mode, count in modes.most_common())
        sentence = (
            f"{number_of(len(places), 'image', 'are')} not plain RGB or grey ({text}): 16 bits are cut to "
            f"the upper 8, alpha is dropped, CMYK becomes RGB."
        )
        fix = "If they look too dark or odd on the page, save them as RGB with 8 bits."
        yield Finding("odd-mode", "note", len(places), sentence, fix, places)


def wrong_suffixes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Files whose name says another format than they have."""

    def lie(split: Split, image: int) -> str:
        known = SUFFIXES.get(split.facts[image].format)
        suffix = Path(split.index.path(image)).suffix.lower()
        return f"{split.facts[image].format} named {suffix}" if known and suffix not in known else ""

    if places := _places(splits, lie):
        sentence = f"{number_of(len(places), 'file', 'hold')} another format than the name says."
        fix = "They are read here all the same; rename them if other tools are to read them."
        yield Finding("wrong-suffix", "note", len(places), sentence, fix, places)


def _places(splits: Sequence[Split], fault: Callable[[Split, int], str]) -> list[Location]:
    """The images for which `fault` gives a reason."""
    return [
        Location(split.name, str(split.index.path(image)), image, detail=reason)
        for split in splits
        for image in range(len(split.index))
        if (reason := fault(split, image))
    ]


def _shares(places: Sequence[Location], splits: Sequence[Split]) -> dict[str, tuple[int, int]]:
    found = Counter(place.split for place in places)
    return {split.name: (found[split.name], len(split.index)) for split in splits}


def _is_unturned(split: Split, image: int) -> bool:
    """Whether the stated size is that of the image as it is stored, on its side."""
    facts: ImageFacts = split.facts[image]
    return facts.orientation in SIDEWAYS and tuple(split.index.sizes[image].tolist()) == facts.size[::-1]


def _inside(boxes: np.ndarray, height: int, width: int) -> bool:
    return bool((boxes[:, 2] <= width + BEYOND).all() and (boxes[:, 3] <= height + BEYOND).all())
