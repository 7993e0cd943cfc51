"""Reads YOLO text labels into the flat index: one text file an image, one line an object.

The labels of `images/train/a.jpg` are `labels/train/a.txt`, where the last folder called images counts, or
lie beside the image. A line is `class cx cy w h`: the box's centre and size as fractions of the image's width
and height. A line `class x1 y1 x2 y2 x3 y3 ...` is an outline, also in fractions: its box is taken, and its
own area, as COCO does. The text holds no sizes: they come from the images' headers (about 50 µs an image
with Pillow).
"""

import math
import os
from array import array
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple
from warnings import warn

import numpy as np

from utils.data.boxes import box_area
from utils.data.index import DatasetIndex, flat_index, select_boxes, select_images, sound_boxes
from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, header_size
from utils.system.files import read_text

SLACK = 1e-3  # fractions are written with few digits: 1.0005 is still the border
SHOWN = 10  # bad lines or images named in one message
CLASS_LIST = "classes"  # the name of the class list that labelImg puts among the labels


class _Labels(NamedTuple):
    """The objects of all label files, in fractions of their images.

    counts  how many objects each image has
    table   float64 [M, 6]: class, box xyxy, and the outline's area, NaN where there is only a box
    """

    counts: list[int]
    table: np.ndarray


def read_yolo_folder(folder: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read the images in a folder and below it, in the order of their names; see `read_yolo`."""
    images = list(images_below(folder))
    if not images:
        raise ValueError(f"{folder.absolute()} holds no image")
    return read_yolo(images, class_names, str(folder))


def read_yolo_pair(labels: Path, images: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read every label file of one folder with the image of the same name in another; see `read_yolo`.

    Label files without an image, and images that nobody labelled, are left out with a warning.
    """
    image_files, texts = files_by_stem(images, IMAGE_SUFFIXES), files_by_stem(labels, (".txt",))
    if CLASS_LIST not in image_files:
        texts.pop(CLASS_LIST, None)
    both = [name for name in texts if name in image_files]
    if not both:
        raise ValueError(f"no text in {labels.absolute()} has the name of an image in {images.absolute()}")
    for one, other, missing in ((texts, image_files, "image"), (image_files, texts, "label file")):
        if alone := [name for name in one if name not in other]:
            warn(
                f"{labels}:{images}: left out {len(alone)} without a {missing}, such as {alone[0]}",
                stacklevel=3,
            )
    files = [labels.absolute() / texts[name][0] for name in both]
    paths = [str(images.absolute() / image_files[name][0]) for name in both]
    return _index(paths, files, class_names, f"{labels}:{images}")


def read_yolo(images: Sequence[str], class_names: Sequence[str], source: str) -> DatasetIndex:
    """The index of images (absolute paths) and their label files; `source` names the data in messages.

    An image without a label file has no objects; a warning says so where none has one. Boxes are cut at the
    image's border. Images whose header cannot be read are left out with a warning. Raises `ValueError`
    that names the first bad lines together, or the first images that do not exist.
    """
    files = list(label_files(images))
    if not any(files):
        sought = label_folder(str(Path(images[0]).parent))
        warn(f"{source}: none of {len(images)} images has a label file (looked in {sought})", stacklevel=3)
    return _index(images, files, class_names, source)


def _index(
    images: Sequence[str], files: Sequence[Path | None], class_names: Sequence[str], source: str
) -> DatasetIndex:
    labels = _read_labels(files, len(class_names), source)
    sizes, unreadable = _sizes(images, source)
    scale = np.repeat(sizes[:, ::-1], labels.counts, axis=0)  # [M, 2], width and height
    boxes = (labels.table[:, 1:5] * np.tile(scale, 2)).astype(np.float32)
    areas = np.where(np.isnan(labels.table[:, 5]), box_area(boxes), labels.table[:, 5] * scale.prod(axis=1))
    index = flat_index(
        class_names, images, labels.counts, boxes, labels.table[:, 0], sizes=sizes, areas=areas
    )
    index = select_images(index, ~unreadable)
    sound = sound_boxes(index.boxes)
    if not sound.all():
        warn(f"{source}: left out {int((~sound).sum())} boxes far smaller than a pixel", stacklevel=4)
    return select_boxes(index, sound)


def _sizes(images: Sequence[str], source: str) -> tuple[np.ndarray, np.ndarray]:
    """Height and width [N, 2] of the images, and which of them cannot be read, bool [N]."""
    sizes = np.zeros((len(images), 2), np.int64)
    missing, broken = [], {}
    for row, image in enumerate(images):
        try:
            sizes[row] = header_size(Path(image))
        except ValueError as error:
            if Path(image).is_file():
                broken[row] = f"{image}: {error}"
            else:
                missing.append(image)
    if missing:
        raise ValueError(_first(f"{len(missing)} of {len(images)} images of {source} do not exist:", missing))
    if broken:
        warn(f"{source}: left out {len(broken)} images: {next(iter(broken.values()))}", stacklevel=5)
    return sizes, np.isin(np.arange(len(images)), list(broken))


def _read_labels(files: Sequence[Path | None], classes: int, source: str) -> _Labels:
    """Parse all label files; `ValueError` with the first bad lines of all."""
    counts, faults = [], []
    values = array("d")  # flat, for there may be millions
    for file in files:
        before = len(values)
        try:
            lines = read_text(file).split("\n") if file else []
        except ValueError as error:
            faults.append(str(error))
            continue
        for number, line in enumerate(lines, 1):
            try:
                values.extend(_parse_line(line, classes) if line.strip() else ())
            except ValueError as error:
                faults.append(f"{file}, line {number}: {error}")
        counts.append((len(values) - before) // 6)
    if faults:
        raise ValueError(_first(f"{source} has bad label lines: correct them, or check --classes", faults))
    return _Labels(counts, np.array(values).reshape(-1, 6))


def _parse_line(line: str, classes: int) -> tuple[float, ...]:
    """Class, box xyxy cut at the border, and the outline's area (NaN for a box), in fractions."""
    try:
        label, *values = map(float, line.split())
    except ValueError:
        raise ValueError(f"{_shown(line)} is not numbers") from None
    if not (0 <= label < classes and label % 1 == 0):
        raise ValueError(
            f"class {label:g} in {_shown(line)}, but there are {classes} classes: 0 to {classes - 1}"
        )
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(
            f"{_shown(line)} is neither class, cx, cy, w, h nor class, x1, y1, x2, y2, x3, y3, ..."
        )
    if not all(-SLACK <= value <= 1 + SLACK for value in values):
        raise ValueError(f"{_shown(line)} has numbers that are no fractions of the image, 0 to 1")
    box, area = _box_of(values) if len(values) == 4 else _box_of_outline(values)
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in box)
    if not (x2 > x1 and y2 > y1):
        raise ValueError(f"{_shown(line)} is empty")
    return label, x1, y1, x2, y2, area


def _shown(line: str) -> str:
    return repr(line.strip() if len(line) < 80 else line[:80] + "...")


def _box_of(values: Sequence[float]) -> tuple[tuple[float, ...], float]:
    cx, cy, w, h = values
    return (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), math.nan


def _box_of_outline(values: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """The box around a polygon, and the polygon's area by the shoelace formula."""
    xs, ys = values[::2], values[1::2]
    twice = sum(
        x * below - y * right
        for x, y, right, below in zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    )
    return (min(xs), min(ys), max(xs), max(ys)), abs(twice) / 2


def _first(head: str, lines: Sequence[str]) -> str:
    more = [f"  and {len(lines) - SHOWN} more"] if len(lines) > SHOWN else []
    return "\n".join([head, *(f"  {line}" for line in lines[:SHOWN]), *more])


def images_below(folder: Path) -> Iterator[str]:
    """Absolute paths of the images in a folder and below it, sorted; what is hidden is left out."""
    for parent, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield str(Path(parent, name))


def label_folder(folder: str) -> str:
    """Where the labels of the images in `folder` lie: beside them if there is no folder of labels."""
    before, images, after = f"{folder}{os.sep}".rpartition(f"{os.sep}images{os.sep}")
    labels = f"{before}{os.sep}labels{os.sep}{after}".removesuffix(os.sep)
    return labels if images and Path(labels).is_dir() else folder


def label_files(images: Iterable[str]) -> Iterator[Path | None]:
    """The label file of each image, None where there is none; found by one listing a folder."""
    known: dict[str, tuple[str, frozenset[str]]] = {}
    for image in images:
        folder, name = os.path.split(image)
        if folder not in known:
            labels = Path(label_folder(folder))
            there = labels.iterdir() if labels.is_dir() else ()
            known[folder] = str(labels), frozenset(path.name for path in there)
        labels_folder, names = known[folder]
        text = f"{Path(name).stem}.txt"
        yield Path(labels_folder, text) if text in names else None
