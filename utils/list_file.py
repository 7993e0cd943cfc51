"""List files such as `2007_train.txt`: one image a line with its boxes.

The form that all know: `path x1,y1,x2,y2,class x1,y1,x2,y2,class ...`, in pixels, the class from 0. A bare
path is an image without objects. At the end of the line, what looks like boxes is boxes; the rest is the
path. Where the path holds spaces, a tab after it and between the boxes leaves nothing to guess. Both forms
are read.
"""

import re
from array import array
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from utils.image_files import IMAGE_SUFFIXES
from utils.index import DatasetIndex, flat_index, sound_boxes
from utils.text_file import read_text, write_text

BOX = re.compile(r"[-+.0-9eE]+(?:,[-+.0-9eE]+){4}")
AFTER_IMAGE = re.compile(rf"(?:{'|'.join(map(re.escape, IMAGE_SUFFIXES))})\s+(\S+)", re.IGNORECASE)
SHOWN = 10  # bad lines named in one message


def read_list(path: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read a list file; relative image paths start at the list's own folder.

    Raises `ValueError` that names the file and its first bad lines together (a class beyond `class_names`, a
    box that is empty, inverted or not five numbers), or that says that the list is empty.
    """
    paths: list[str] = []
    lines: list[int] = []
    counts: list[int] = []
    values = array("d")  # flat, for a list may hold millions of boxes
    faults: dict[int, str] = {}
    for number, line in enumerate(read_text(path).split("\n"), 1):
        if not line.strip():
            continue
        try:
            image, boxes = _parse_line(line)
        except ValueError as error:
            faults[number] = str(error)
            continue
        values.extend(boxes)
        paths.append(image)
        lines.append(number)
        counts.append(len(boxes) // 5)
    table = np.array(values).reshape(-1, 5)
    faults |= _box_faults(table, np.repeat(lines, counts), len(class_names))
    if faults:
        raise ValueError(_message(path, faults))
    if not paths:
        raise ValueError(f"{path} is empty: it should hold one image a line (voc_annotation.py writes it)")
    folder = path.absolute().parent
    return flat_index(
        class_names, [str(folder / image) for image in paths], counts, table[:, :4], table[:, 4]
    )


def write_list(path: Path, index: DatasetIndex) -> None:
    """Write the images and boxes of an index as a list file; flags and areas have no place in it.

    Boxes keep every digit of their float32. Raises `ValueError` for a path that no line can hold.
    """
    write_text(path, "".join(f"{_line(index, image)}\n" for image in range(len(index))))


def _line(index: DatasetIndex, image: int) -> str:
    path = str(index.path(image))
    if any(character in path for character in "\t\n\r\0"):
        raise ValueError(f"{path!r} holds a tab or a line end: rename the file")
    boxes = list(_box_texts(index, image))
    if path.split() == [path] and not BOX.fullmatch(path):
        return " ".join([path, *boxes])
    return "\t".join([path, *(boxes or [""])])


def _box_texts(index: DatasetIndex, image: int) -> Iterator[str]:
    span = index.span(image)
    for box, label in zip(index.boxes[span], index.labels[span], strict=True):
        # The text of a float32 is the shortest that reads back as the same number.
        yield ",".join([*(str(value).removesuffix(".0") for value in box), str(label)])


def _parse_line(line: str) -> tuple[str, list[float]]:
    """The path, and five numbers a box."""
    path, tab, rest = line.partition("\t")
    path, boxes = (path, rest.split()) if tab else _split_at_boxes(line)
    if not path.strip() or "\0" in path:
        raise ValueError("no image path")
    return path, _numbers(boxes) if boxes else []


def _split_at_boxes(line: str) -> tuple[str, list[str]]:
    words = line.split()
    start = len(words)
    while start > 0 and BOX.fullmatch(words[start - 1]):
        start -= 1
    boxes = words[start:]
    path = line.strip().rsplit(None, len(boxes))[0] if start > 0 else ""
    if not path.lower().endswith(IMAGE_SUFFIXES) and (wrong := AFTER_IMAGE.search(path)):
        raise ValueError(f"{wrong[1]!r} is not a box x1,y1,x2,y2,class")
    return path, boxes


def _numbers(boxes: list[str]) -> list[float]:
    wrong = [text for text in boxes if not BOX.fullmatch(text)]
    try:
        numbers = [] if wrong else [float(number) for number in ",".join(boxes).split(",")]
    except ValueError:
        wrong = boxes
    if wrong:
        raise ValueError(f"{' '.join(wrong)!r} is not a box x1,y1,x2,y2,class")
    return numbers


def _box_faults(table: np.ndarray, lines: np.ndarray, classes: int) -> dict[int, str]:
    """Each bad line with a reason; `table` is [N, 5] (xyxy, class), `lines` [N] the line of each box."""
    with np.errstate(over="ignore", invalid="ignore"):
        boxes, labels = table[:, :4].astype(np.float32), table[:, 4]
        sound = sound_boxes(boxes)
        known = (labels >= 0) & (labels < classes) & (labels % 1 == 0)
    bad = np.flatnonzero(~(sound & known))
    numbers, first = np.unique(lines[bad], return_index=True)
    faults = {}
    for number, row in zip(numbers.tolist(), bad[first], strict=True):
        box = ",".join(f"{value:g}" for value in table[row])
        if known[row]:
            faults[number] = f"the box {box} is empty, inverted or far too large"
        else:
            faults[number] = (
                f"class {labels[row]:g} in {box}, but there are {classes} classes: 0 to {classes - 1}"
            )
    return faults


def _message(path: Path, faults: dict[int, str]) -> str:
    shown = [f"  line {number}: {faults[number]}" for number in sorted(faults)[:SHOWN]]
    more = [f"  and {len(faults) - SHOWN} more lines"] if len(faults) > SHOWN else []
    head = f"{path} has bad lines: correct them, check --classes, or make the list again (voc_annotation.py)"
    return "\n".join([head, *shown, *more])
