"""List files such as `2007_train.txt`: one image per line, with its boxes.

The common form is `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, in pixels, with classes from 0. A line with
only a path is an image without objects. Words at the end of a line that look like boxes are boxes, the rest
is the path. A tab after the path and between the boxes avoids ambiguity in paths with spaces.
"""

import os
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.data.index import DatasetIndex, concatenate, flat_index, sound_boxes
from utils.data.notes import IMAGES_SKIPPED, IMAGES_SPLIT, OBJECTS_SKIPPED, NoteTaker, problems_of
from utils.data.summary import require_most
from utils.formats.paths import existing_path
from utils.formats.plausible import refuse_counting_from_one, refuse_fractions
from utils.images.headers import IMAGE_SUFFIXES
from utils.system.files import text_blocks, write_text

BOX = re.compile(r"[-+.0-9eE]+(?:,[-+.0-9eE]+){4}")
PLAIN_LINE = re.compile(rf"(?!{BOX.pattern}(?: |$))([^\s\0]+)((?: {BOX.pattern})*)")  # path, boxes
TEXT_AFTER_IMAGE = re.compile(rf"(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})\s+(\S+)", re.IGNORECASE)

ListLine = tuple[str, str, int]  # path, comma-separated numbers of all boxes, number of boxes


def read_list(path: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read a list file; image paths are relative to its folder.

    Lines that cannot be read are skipped with their image, and boxes that are empty, inverted or of an
    unknown class without it; the notes of the index tell which. Raises ValueError if most lines or boxes are
    bad, boxes are fractions, or the list is empty.
    """
    taker = NoteTaker()
    classes_found: set[float] = set()
    index = concatenate(_blocks(path, class_names, taker, classes_found))
    refuse_counting_from_one(np.array(sorted(classes_found)), len(class_names), path)
    bad_lines, bad_boxes = (problems_of(taker.notes(), [kind]) for kind in (IMAGES_SKIPPED, OBJECTS_SKIPPED))
    advice = "correct them, check --classes, or make the list again (voc_annotation.py)"
    require_most(bad_lines, len(index) + len(bad_lines), path, advice)
    require_most(bad_boxes, len(index.boxes) + len(bad_boxes), path, advice)
    if len(index) == 0:
        raise ValueError(
            f"{path} is empty: it should list one image a line (voc_annotation.py writes such lists)"
        )
    refuse_fractions(index.boxes, path)
    _note_split_images(path, index, taker)
    return replace(index, notes=taker.notes())


def _blocks(
    path: Path, class_names: Sequence[str], taker: NoteTaker, classes_found: set[float]
) -> Iterator[DatasetIndex]:
    """Yield an empty index, then one per block of lines; class numbers go to `classes_found`."""
    yield flat_index(class_names, [], [], np.zeros((0, 4)), np.zeros(0))
    folders = _Folders(path.absolute().parent)
    first = 1
    for text in text_blocks(path):
        lines = text.removesuffix("\n").split("\n")
        faults: dict[int, str] = {}
        read, table = _parse(lines, first, faults)
        for number, reason in faults.items():
            taker.add(IMAGES_SKIPPED, path, f"line {number}: {reason}")
        counts = [count for _, (_, _, count) in read]
        owners = np.repeat(np.arange(len(read)), counts)
        classes_found |= set(np.unique(table[:, 4]).tolist())
        faulty = _box_faults(table, len(class_names))
        for row, reason in faulty.items():
            taker.add(OBJECTS_SKIPPED, path, f"line {read[owners[row]][0]}: {reason}")
        first += len(lines)
        keep = np.ones(len(table), bool)
        keep[list(faulty)] = False
        paths = [folders.absolute(image) for _, (image, _, _) in read]
        kept = np.bincount(owners[keep], minlength=len(read))
        yield flat_index(class_names, paths, kept, table[keep, :4], table[keep, 4])


def _note_split_images(path: Path, index: DatasetIndex, taker: NoteTaker) -> None:
    """Note images whose boxes are spread over several lines: each line counts as an image of its own.

    Lines may be repeated as they are, so that an image is seen more often.
    """
    paths = list(index.paths())
    if len(set(paths)) == len(paths):
        return
    first: dict[str, int] = {}
    for number, image in enumerate(paths):
        spans = index.span(first.setdefault(image, number)), index.span(number)
        one, other = ((index.boxes[span].tobytes(), index.labels[span].tobytes()) for span in spans)
        if one != other:
            taker.add(IMAGES_SPLIT, path, f"{image}: give all boxes of an image in one line")


class _Folders:
    """A cache that makes image paths absolute, with one pathlib call per folder.

    A million images are in few folders, and pathlib takes 3.7 us per path.
    """

    def __init__(self, start: Path) -> None:
        self.start = start
        self.known: dict[str, str] = {}  # each value ends with a separator

    def absolute(self, path: str) -> str:
        if "\\" in path:
            return existing_path(self.start, path)
        folder, name = os.path.split(path)
        if name in ("", "."):
            return str(self.start / path)
        if folder not in self.known:
            self.known[folder] = str(self.start / folder / "x")[:-1]
        return self.known[folder] + name


def _parse(
    lines: list[str], first: int, faults: dict[int, str]
) -> tuple[list[tuple[int, ListLine]], np.ndarray]:
    """Return the non-blank lines, with line numbers, and their boxes as float64 [N, 5] (xyxy, class).

    Plain lines are matched by one regular expression, and the numbers of all lines are converted at once. If
    one is not a number after all, such as 1.2.3, every line is parsed separately.
    """
    try:
        return _parse_lines(lines, first, faults, _plain_line)
    except ValueError:
        return _parse_lines(lines, first, faults, _careful_line)


def _parse_lines(
    lines: list[str], first: int, faults: dict[int, str], parse: Callable[[str], ListLine]
) -> tuple[list[tuple[int, ListLine]], np.ndarray]:
    read = []
    for number, line in enumerate(lines, first):
        if line and not line.isspace():
            try:
                read.append((number, parse(line)))
            except ValueError as error:
                faults[number] = str(error)
    numbers = ",".join(numbers for _, (_, numbers, count) in read if count)
    return read, np.array(numbers.split(",") if numbers else [], np.float64).reshape(-1, 5)


def _plain_line(line: str) -> ListLine:
    found = PLAIN_LINE.fullmatch(line)
    if not found:
        return _careful_line(line)
    path, boxes = found.groups()
    return path, boxes[1:].replace(" ", ","), boxes.count(" ")


def _careful_line(line: str) -> ListLine:
    path, boxes = _split_line(line)
    return path, ",".join(boxes), len(boxes)


def write_list(path: Path, index: DatasetIndex) -> None:
    """Write the images and boxes of an index as a list file, which has no flags or areas.

    Boxes keep every digit of their float32. Raises ValueError for a path that a line cannot hold.
    """
    write_text(path, "".join(f"{_line(index, image_number)}\n" for image_number in range(len(index))))


def _line(index: DatasetIndex, image_number: int) -> str:
    path = str(index.path(image_number))
    if any(character in path for character in "\t\n\r\0"):
        raise ValueError(f"{path!r} contains a tab or a line end: rename the file")
    boxes = list(_box_texts(index, image_number))
    if path.split() == [path] and not BOX.fullmatch(path):
        return " ".join([path, *boxes])
    return "\t".join([path, *(boxes or [""])])


def _box_texts(index: DatasetIndex, image_number: int) -> Iterator[str]:
    span = index.span(image_number)
    for box, label in zip(index.boxes[span], index.labels[span], strict=True):
        # str() of a float32 is the shortest text that reads back as the same number.
        yield ",".join([*(str(value).removesuffix(".0") for value in box), str(label)])


def _split_line(line: str) -> tuple[str, list[str]]:
    """Return the path and the text of each box (five numbers)."""
    path, tab, rest = line.partition("\t")
    path, boxes = (path, rest.split()) if tab else _split_at_boxes(line)
    if not path.strip() or "\0" in path:
        raise ValueError("no image path")
    if bad := [text for text in boxes if not BOX.fullmatch(text)] or _not_numbers(boxes):
        raise ValueError(f"{' '.join(bad)!r} is not a box x1,y1,x2,y2,class")
    return path, boxes


def _not_numbers(boxes: list[str]) -> list[str]:
    try:
        np.array(",".join(boxes).split(",") if boxes else [], np.float64)
    except ValueError:
        return boxes
    return []


def _split_at_boxes(line: str) -> tuple[str, list[str]]:
    words = line.split()
    start = len(words)
    while start > 0 and BOX.fullmatch(words[start - 1]):
        start -= 1
    boxes = words[start:]
    path = line.strip().rsplit(None, len(boxes))[0] if start > 0 else ""
    if not path.lower().endswith(IMAGE_SUFFIXES) and (bad := TEXT_AFTER_IMAGE.search(path)):
        raise ValueError(f"{bad[1]!r} is not a box x1,y1,x2,y2,class")
    return path, boxes


def _box_faults(table: np.ndarray, classes: int) -> dict[int, str]:
    """Return the reason per bad row of `table`, [N, 5] (xyxy, class)."""
    with np.errstate(over="ignore", invalid="ignore"):
        boxes, labels = table[:, :4].astype(np.float32), table[:, 4]
        sound = sound_boxes(boxes)
        known = (labels >= 0) & (labels < classes) & (labels % 1 == 0)
    faults = {}
    for row in np.flatnonzero(~(sound & known)).tolist():
        box = ",".join(f"{value:g}" for value in table[row])
        if known[row]:
            faults[row] = f"the box {box} is empty, inverted or far too large"
        else:
            faults[row] = (
                f"class {labels[row]:g} in {box}, but there are {classes} classes: 0 to {classes - 1}"
            )
    return faults
