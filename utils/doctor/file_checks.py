"""Checks of the image files: unreadable, wrong size, rotated by EXIF, unusual formats."""

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.data.types import Boxes, Size
from utils.doctor.finding import Finding, Location, Severity, by_split, number_of, serious_beyond
from utils.doctor.image_facts import NO_SUCH_FILE, UPRIGHT_ORIENTATION, ImageFacts
from utils.doctor.splits import Split
from utils.images.headers import JPEG_SUFFIXES, SIDEWAYS

SUFFIXES = {  # per format, by Pillow's name
    "JPEG": JPEG_SUFFIXES,
    "MPO": JPEG_SUFFIXES,  # JPEG of some phones, with a second image appended
    "PNG": (".png",),
    "BMP": (".bmp",),
    "DIB": (".bmp",),
    "WEBP": (".webp",),
    "TIFF": (".tif", ".tiff"),
}
PLAIN_MODES = ("RGB", "L", "P", "1", "")  # read without loss, palettes included
BORDER_TOLERANCE = 1.0  # pixels, explained by rounding or by counting from 1 as in VOC


def check_files(splits: Sequence[Split]) -> list[Finding]:
    """Return all findings about the image files."""
    checks = (unreadable_files, unended_files, stated_sizes, exif_orientations, odd_modes, wrong_suffixes)
    return [finding for check in checks for finding in check(splits)]


def unreadable_files(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield findings for files that do not exist, and for damaged or incomplete images."""
    broken = _locations(splits, lambda split: [facts.error for facts in split.facts])
    missing = [location for location in broken if location.detail == NO_SUCH_FILE]
    damaged = [location for location in broken if location.detail != NO_SUCH_FILE]
    if missing:
        sentence = f"{number_of(len(missing), 'image', 'do')} not exist ({by_split(missing, splits)})."
        fix = "Put them where the annotations say, or make the lists again without them."
        yield Finding("missing", "serious", len(missing), sentence, fix, missing)
    if damaged:
        sentence = (
            f"{number_of(len(damaged), 'image', 'cannot')} be read ({by_split(damaged, splits)}): training "
            f"skips them, and evaluation counts their objects as missed."
        )
        fix = "Copy them again from their source, or remove them with their annotations."
        yield Finding("unreadable", "serious", len(damaged), sentence, fix, damaged)


def unended_files(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for JPEG files that lack only their end marker."""

    def unended(split: Split) -> list[str]:
        return ["no end marker" if facts.lacks_end else "" for facts in split.facts]

    if locations := _locations(splits, unended):
        sentence = (
            f"{number_of(len(locations), 'JPEG file', 'lack')} the end marker, though all pixels are there "
            f"({by_split(locations, splits)}): they are read here, but other programs call them truncated."
        )
        fix = "Copy them again from their source, or save them anew if other tools are to read them."
        yield Finding("no-end-marker", "note", len(locations), sentence, fix, locations)


def stated_sizes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for images whose size differs from the annotation: usually resized after labelling."""

    def difference(facts: ImageFacts, stated: Size) -> str:
        if facts.error or min(stated) == 0 or stated == facts.size or _is_size_unturned(facts, stated):
            return ""
        return f"{stated[1]} x {stated[0]} stated, {facts.size[1]} x {facts.size[0]} in the file"

    if locations := _locations(splits, lambda split: list(map(difference, split.facts, _stated(split)))):
        sentence = (
            f"{number_of(len(locations), 'image', 'have')} another size than the annotations state "
            f"({by_split(locations, splits)}): if only the images were resized, the boxes are misplaced."
        )
        fix = "Look at the boxes; label these images again, or use the originals that were labelled."
        found = Counter(location.split for location in locations)
        severity = serious_beyond({split.name: (found[split.name], len(split.index)) for split in splits})
        yield Finding("wrong-size", severity, len(locations), sentence, fix, locations)


def exif_orientations(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield findings for images that EXIF rotates, unless the boxes clearly fit the rotated image."""
    found = _locations(splits, exif_fits)
    cases: tuple[tuple[str, Severity, str], ...] = (
        ("un-turned", "serious", "their boxes were drawn on the un-turned image and are misplaced"),
        ("stated", "warning", "the stated size is that of the un-turned image, and the boxes fit both"),
        ("either", "note", "nothing shows on which image the boxes were drawn, as they fit both"),
    )
    fix = (
        "Look at the boxes on the page, which are drawn on the turned image. If they are misplaced, remove "
        "the tag (exiftool -Orientation= FILE): the image is then read as it was labelled."
    )
    for case, severity, meaning in cases:
        locations = [location._replace(detail="") for location in found if location.detail == case]
        if locations:
            sentence = (
                f"{number_of(len(locations), 'image', 'are')} turned when read, as EXIF asks "
                f"({by_split(locations, splits)}): {meaning}."
            )
            yield Finding(f"exif-{case}", severity, len(locations), sentence, fix, locations)


def exif_fits(split: Split) -> list[str]:
    """Return for each image whether its boxes were drawn with or without its EXIF rotation.

    "turned" or "un-turned" if the boxes fit only the rotated or only the original image. If they fit both:
    "turned" or "stated" if the annotated size is the rotated or the original one, "either" if it does not
    tell. "" without an EXIF rotation or without boxes.
    """
    boxes = np.split(split.index.boxes, split.index.box_offsets[1:-1])
    return list(map(_exif_fit, split.facts, _stated(split), boxes))


def _exif_fit(facts: ImageFacts, stated: Size, boxes: Boxes) -> str:
    if facts.error or facts.orientation == UPRIGHT_ORIENTATION or not len(boxes):
        return ""
    height, width = facts.size
    if facts.orientation in SIDEWAYS and height != width:
        fits_turned = _inside(boxes, height, width)
        fits_unturned = _inside(boxes, width, height)
        if fits_turned != fits_unturned:
            return "turned" if fits_turned else "un-turned"
        if _is_size_unturned(facts, stated):
            return "stated"
        if stated == facts.size:
            return "turned"
    return "either"


def odd_modes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for CMYK, 16-bit and alpha images, which can be read, but not without loss."""

    def odd_ones(split: Split) -> list[str]:
        return ["" if facts.mode in PLAIN_MODES else facts.mode for facts in split.facts]

    if locations := _locations(splits, odd_ones):
        modes = Counter(location.detail for location in locations)
        text = ", ".join(f"{mode} {count}" for mode, count in modes.most_common())
        sentence = (
            f"{number_of(len(locations), 'image', 'are')} not plain RGB or grey ({text}): 16 bits are cut "
            f"to 8, alpha is dropped, CMYK is converted to RGB."
        )
        fix = "If they look too dark or odd on the page, save them as RGB with 8 bits."
        yield Finding("odd-mode", "note", len(locations), sentence, fix, locations)


def wrong_suffixes(splits: Sequence[Split]) -> Iterator[Finding]:
    """Yield a finding for files whose suffix belongs to another format."""

    def mismatch(facts: ImageFacts, path: Path) -> str:
        known, suffix = SUFFIXES.get(facts.format), path.suffix.lower()
        return f"{facts.format} named {suffix}" if known and suffix not in known else ""

    if locations := _locations(splits, lambda split: list(map(mismatch, split.facts, split.paths()))):
        sentence = f"{number_of(len(locations), 'file', 'hold')} another format than the suffix says."
        fix = "They can be read here; rename them if other tools are to read them."
        yield Finding("wrong-suffix", "note", len(locations), sentence, fix, locations)


def _locations(splits: Sequence[Split], reasons_of: Callable[[Split], list[str]]) -> list[Location]:
    """Return the images with a non-empty reason; `reasons_of` returns the reason of each image of a split."""
    return [
        Location(split.name, str(split.index.path(number)), number, detail=reason)
        for split in splits
        for number, reason in enumerate(reasons_of(split))
        if reason
    ]


def _stated(split: Split) -> list[Size]:
    """Return the annotated size of each image; (0, 0) if unknown."""
    return [(height, width) for height, width in split.index.sizes.tolist()]


def _is_size_unturned(facts: ImageFacts, stated: Size) -> bool:
    """Return whether the annotated size is the size before EXIF rotates the image by 90 degrees."""
    return facts.orientation in SIDEWAYS and stated == facts.size[::-1]


def _inside(boxes: Boxes, height: int, width: int) -> bool:
    x2, y2 = boxes[:, 2], boxes[:, 3]
    return bool((x2 <= width + BORDER_TOLERANCE).all() and (y2 <= height + BORDER_TOLERANCE).all())
