"""Read YOLO text labels into the flat index: one text file per image, one line per object.

Label files have no image sizes: these are read from the image headers (about 50 µs per image with Pillow).
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from utils.data.boxes import box_area
from utils.data.index import DatasetIndex, flat_index, select_boxes, select_images, sound_boxes
from utils.data.notes import (
    CLIPPED,
    FILES_UNUSED,
    IMAGES_SKIPPED,
    OBJECTS_SKIPPED,
    NoteTaker,
    problems_of,
)
from utils.data.summary import first_lines
from utils.formats.yolo_files import (
    CLASS_LIST,
    LABEL_SUFFIX,
    images_below,
    label_files,
    note_unused,
)
from utils.formats.yolo_lines import YoloLabels, read_yolo_labels
from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, header_size

SLACK = 1e-3  # fractions are rounded: 1.0005 is still on the border


def read_yolo_folder(folder: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read the images in a folder recursively, sorted by name; see `read_yolo`."""
    paths = list(images_below(folder))
    if not paths:
        raise ValueError(f"{folder.absolute()} contains no image")
    return read_yolo(paths, class_names, str(folder))


def read_yolo_pair(labels: Path, images: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read every label file in one folder with the image of the same name in another; see `read_yolo`.

    Label files without an image, and images without a label file, are skipped and noted.
    """
    image_files, texts = files_by_stem(images, IMAGE_SUFFIXES), files_by_stem(labels, (LABEL_SUFFIX,))
    if CLASS_LIST not in image_files:
        texts.pop(CLASS_LIST, None)
    both = [name for name in texts if name in image_files]
    if not both:
        raise ValueError(
            f"no text file in {labels.absolute()} has the name of an image in {images.absolute()}"
        )
    taker = NoteTaker()
    for name in [name for name in texts if name not in image_files]:
        taker.add(FILES_UNUSED, labels / texts[name][0], f"no image {name}.* in {images}")
    for name in [name for name in image_files if name not in texts]:
        taker.add(IMAGES_SKIPPED, images / image_files[name][0], f"no label file {name}.txt in {labels}")
    files = [labels.absolute() / texts[name][0] for name in both]
    paths = [str(images.absolute() / image_files[name][0]) for name in both]
    return _index(paths, files, class_names, 0, f"{labels}:{images}", taker)


def read_yolo(
    paths: Sequence[str], class_names: Sequence[str], source: str, keypoints: int = 0
) -> DatasetIndex:
    """Return the index of images (absolute paths) and their label files; `source` names the data in messages.

    keypoints  number of columns of keypoints that may follow a box; they are not used

    An image without a label file has no objects. Boxes are clipped to the image. Images and lines that cannot
    be read are skipped; the notes of the index tell all of this. Raises ValueError if most lines cannot be
    read, or with the first images that do not exist.
    """
    files = list(label_files(paths))
    taker = NoteTaker()
    note_unused(paths, files, taker)
    return _index(paths, files, class_names, keypoints, source, taker)


def _index(
    paths: Sequence[str],
    files: Sequence[Path | None],
    class_names: Sequence[str],
    keypoints: int,
    source: str,
    taker: NoteTaker,
) -> DatasetIndex:
    labels = read_yolo_labels(files, len(class_names), keypoints, source, taker)
    sizes, readable = _sizes(paths, source, taker)
    scale = np.repeat(sizes[:, ::-1], labels.counts, axis=0)  # [M, 2], width and height
    fractions = np.clip(labels.table[:, 1:5], 0, 1)
    boxes = (fractions * np.tile(scale, 2)).astype(np.float32)
    areas = np.where(np.isnan(labels.table[:, 5]), box_area(boxes), labels.table[:, 5] * scale.prod(axis=1))
    index = flat_index(class_names, paths, labels.counts, boxes, labels.table[:, 0], sizes=sizes, areas=areas)
    usable = np.repeat(readable & labels.readable, labels.counts)
    sound = sound_boxes(boxes)
    _note_boxes(labels, files, usable, sound, taker)
    index = select_images(select_boxes(index, sound), readable & labels.readable)
    if not len(index):
        lines = [f"{file}: {reason}" for file, reason in problems_of(taker.notes(), [IMAGES_SKIPPED])]
        raise ValueError(f"{source} has no usable image:\n{first_lines(lines)}")
    return replace(index, notes=taker.notes())


def _note_boxes(
    labels: YoloLabels,
    files: Sequence[Path | None],
    usable: np.ndarray,
    sound: np.ndarray,
    taker: NoteTaker,
) -> None:
    """Note boxes that were clipped, and empty ones; `usable`, `sound`: bool [M]."""
    stated = labels.table[:, 1:5]
    beyond = np.abs(stated - 0.5).max(axis=1, initial=0) > 0.5 + SLACK
    owners = np.repeat(np.arange(len(files)), labels.counts)
    flat = (stated[:, 2:] - stated[:, :2]).min(axis=1, initial=1) <= 0
    for kind, rows in ((OBJECTS_SKIPPED, usable & ~sound), (CLIPPED, usable & sound & beyond)):
        for row in np.flatnonzero(rows).tolist():
            box = ", ".join(f"{value:.6g}" for value in stated[row])
            fault = "reaches beyond the image" if kind == CLIPPED else _fault(flat[row], beyond[row])
            taker.add(kind, files[owners[row]], f"line {labels.table[row, 6]:.0f}: the box {box} {fault}")


def _fault(is_flat: bool, is_beyond: bool) -> str:
    if is_flat:
        return "is empty"
    return "is outside the image" if is_beyond else "is far smaller than a pixel"


def _sizes(paths: Sequence[str], source: str, taker: NoteTaker) -> tuple[np.ndarray, np.ndarray]:
    """Return the height and width of the images [N, 2], and which can be read, bool [N]."""
    sizes = np.zeros((len(paths), 2), np.int64)
    missing = []
    for row, path in enumerate(paths):
        try:
            sizes[row] = header_size(Path(path))
        except ValueError as error:
            if Path(path).is_file():
                taker.add(IMAGES_SKIPPED, path, str(error))
            else:
                missing.append(path)
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(paths)} images of {source} do not exist:\n{first_lines(missing)}"
        )
    return sizes, sizes.min(axis=1, initial=1) > 0
