"""Read YOLO text labels into the flat index: one text file per image, one line per object.

The labels of `images/train/a.jpg` are in `labels/train/a.txt` (the last folder named images is replaced), or
next to the image. A line is `class cx cy w h`: the centre and size of the box as fractions of the image's
width and height. A line `class x1 y1 x2 y2 x3 y3 ...` is a segmentation polygon, also in fractions: it gives
its bounding box and the polygon's own area, as in COCO. Label files have no image sizes: these are read from
the image headers (about 50 µs per image with Pillow).
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
from utils.data.summary import first_lines
from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, header_size
from utils.system.files import read_text

SLACK = 1e-3  # fractions are rounded: 1.0005 is still on the border
CLASS_LIST = "classes"  # stem of the class list that labelImg writes into the label folder


class _Labels(NamedTuple):
    """The objects of all label files, in fractions of the image size.

    counts  number of objects per image
    table   float64 [M, 6]: class, box xyxy, and area of the polygon, NaN for a box
    """

    counts: list[int]
    table: np.ndarray


def read_yolo_folder(folder: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read the images in a folder recursively, sorted by name; see `read_yolo`."""
    paths = list(images_below(folder))
    if not paths:
        raise ValueError(f"{folder.absolute()} contains no image")
    return read_yolo(paths, class_names, str(folder))


def read_yolo_pair(labels: Path, images: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read every label file in one folder with the image of the same name in another; see `read_yolo`.

    Label files without an image, and images without a label file, are skipped with a warning.
    """
    image_files, texts = files_by_stem(images, IMAGE_SUFFIXES), files_by_stem(labels, (".txt",))
    if CLASS_LIST not in image_files:
        texts.pop(CLASS_LIST, None)
    both = [name for name in texts if name in image_files]
    if not both:
        raise ValueError(
            f"no text file in {labels.absolute()} has the name of an image in {images.absolute()}"
        )
    for one, other, missing in ((texts, image_files, "an image"), (image_files, texts, "a label file")):
        if alone := [name for name in one if name not in other]:
            warn(
                f"{labels}:{images}: skipped {len(alone)} without {missing}, for example {alone[0]}",
                stacklevel=3,
            )
    files = [labels.absolute() / texts[name][0] for name in both]
    paths = [str(images.absolute() / image_files[name][0]) for name in both]
    return _index(paths, files, class_names, f"{labels}:{images}")


def read_yolo(paths: Sequence[str], class_names: Sequence[str], source: str) -> DatasetIndex:
    """Return the index of images (absolute paths) and their label files; `source` names the data in messages.

    An image without a label file has no objects; if no image has one, a warning is given. Boxes are clipped
    to the image. Images whose header cannot be read are skipped with a warning. Raises ValueError with the
    first malformed lines, or the first images that do not exist.
    """
    files = list(label_files(paths))
    if not any(files):
        folder = label_folder(str(Path(paths[0]).parent))
        warn(f"{source}: none of {len(paths)} images has a label file (looked in {folder})", stacklevel=3)
    return _index(paths, files, class_names, source)


def _index(
    paths: Sequence[str], files: Sequence[Path | None], class_names: Sequence[str], source: str
) -> DatasetIndex:
    labels = _read_labels(files, len(class_names), source)
    sizes, unreadable = _sizes(paths, source)
    scale = np.repeat(sizes[:, ::-1], labels.counts, axis=0)  # [M, 2], width and height
    boxes = (labels.table[:, 1:5] * np.tile(scale, 2)).astype(np.float32)
    areas = np.where(np.isnan(labels.table[:, 5]), box_area(boxes), labels.table[:, 5] * scale.prod(axis=1))
    index = flat_index(class_names, paths, labels.counts, boxes, labels.table[:, 0], sizes=sizes, areas=areas)
    index = select_images(index, ~unreadable)
    sound = sound_boxes(index.boxes)
    if not sound.all():
        warn(f"{source}: skipped {int((~sound).sum())} boxes far smaller than a pixel", stacklevel=4)
    return select_boxes(index, sound)


def _sizes(paths: Sequence[str], source: str) -> tuple[np.ndarray, np.ndarray]:
    """Return the height and width of the images [N, 2], and which cannot be read, bool [N]."""
    sizes = np.zeros((len(paths), 2), np.int64)
    missing, broken = [], {}
    for row, path in enumerate(paths):
        try:
            sizes[row] = header_size(Path(path))
        except ValueError as error:
            if Path(path).is_file():
                broken[row] = f"{path}: {error}"
            else:
                missing.append(path)
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(paths)} images of {source} do not exist:\n{first_lines(missing)}"
        )
    if broken:
        warn(f"{source}: skipped {len(broken)} images: {next(iter(broken.values()))}", stacklevel=5)
    return sizes, np.isin(np.arange(len(paths)), list(broken))


def _read_labels(files: Sequence[Path | None], classes: int, source: str) -> _Labels:
    """Parse all label files; ValueError with the first malformed lines."""
    counts, faults = [], []
    values = array("d")  # a flat array, for millions of values
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
        raise ValueError(
            f"{source} has bad label lines: correct them, or check --classes\n{first_lines(faults)}"
        )
    return _Labels(counts, np.array(values).reshape(-1, 6))


def _parse_line(line: str, classes: int) -> tuple[float, ...]:
    """Return class, box xyxy clipped to the image, and area of the polygon (NaN for a box), in fractions."""
    try:
        label, *values = map(float, line.split())
    except ValueError:
        raise ValueError(f"{_quoted(line)} is not numbers") from None
    if not (0 <= label < classes and label % 1 == 0):
        raise ValueError(
            f"class {label:g} in {_quoted(line)}, but there are {classes} classes: 0 to {classes - 1}"
        )
    if len(values) != 4 and (len(values) < 6 or len(values) % 2):
        raise ValueError(
            f"{_quoted(line)} is neither class, cx, cy, w, h nor class, x1, y1, x2, y2, x3, y3, ..."
        )
    if not all(-SLACK <= value <= 1 + SLACK for value in values):
        raise ValueError(f"{_quoted(line)} has numbers that are not fractions of the image, from 0 to 1")
    box, area = _box_of(values) if len(values) == 4 else _box_of_outline(values)
    x1, y1, x2, y2 = (min(max(value, 0.0), 1.0) for value in box)
    if not (x2 > x1 and y2 > y1):
        raise ValueError(f"{_quoted(line)} is empty")
    return label, x1, y1, x2, y2, area


def _quoted(line: str) -> str:
    return repr(line.strip() if len(line) < 80 else line[:80] + "...")


def _box_of(values: Sequence[float]) -> tuple[tuple[float, ...], float]:
    cx, cy, w, h = values
    return (cx - w / 2, cy - h / 2, cx + w / 2, cy + h / 2), math.nan


def _box_of_outline(values: Sequence[float]) -> tuple[tuple[float, ...], float]:
    """Return the bounding box of a polygon, and its area by the shoelace formula."""
    xs, ys = values[::2], values[1::2]
    twice = sum(
        x * below - y * right
        for x, y, right, below in zip(xs, ys, [*xs[1:], xs[0]], [*ys[1:], ys[0]], strict=True)
    )
    return (min(xs), min(ys), max(xs), max(ys)), abs(twice) / 2


def images_below(folder: Path) -> Iterator[str]:
    """Yield the absolute paths of the images in a folder, recursively, sorted, without hidden files."""
    for parent, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield str(Path(parent, name))


def label_folder(folder: str) -> str:
    """Return the folder of the labels of the images in `folder`; `folder` itself if there is no other."""
    before, images, after = f"{folder}{os.sep}".rpartition(f"{os.sep}images{os.sep}")
    labels = f"{before}{os.sep}labels{os.sep}{after}".removesuffix(os.sep)
    return labels if images and Path(labels).is_dir() else folder


def label_files(paths: Iterable[str]) -> Iterator[Path | None]:
    """Yield the label file of each image, or None if there is none; reads each directory once."""
    known: dict[str, tuple[str, frozenset[str]]] = {}
    for path in paths:
        folder, name = os.path.split(path)
        if folder not in known:
            labels = Path(label_folder(folder))
            files = labels.iterdir() if labels.is_dir() else ()
            known[folder] = str(labels), frozenset(file.name for file in files)
        labels_folder, names = known[folder]
        text = f"{Path(name).stem}.txt"
        yield Path(labels_folder, text) if text in names else None
