"""Convert an index to a format: what the format cannot hold is dropped and counted, never silently."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area
from utils.data.class_names import class_names_of, write_classes
from utils.data.index import DatasetIndex, select_boxes, select_images, sound_boxes
from utils.formats.place_images import (
    ImagePlacement,
    common_folder,
    distinct_names,
    place_images,
    require_one_folder,
)
from utils.formats.writers import IMAGE_FOLDERS, WRITERS, DataFormat, Destination
from utils.images.headers import header_size
from utils.system.files import new_folder

HAS_SIZES: tuple[DataFormat, ...] = ("voc", "coco", "yolo")
HAS_DIFFICULT: tuple[DataFormat, ...] = ("voc", "coco")
BY_STEM: tuple[DataFormat, ...] = (
    "voc",
    "yolo",
)  # formats whose annotations are found by file stem
CLASS_FILE = "classes.txt"
CLIPS_BOXES: tuple[DataFormat, ...] = ("voc", "yolo")  # formats whose readers clip boxes to the image


class Converted(NamedTuple):
    """A data set that was written.

    spec     spec of the data set, for `read_data`
    classes  file of class names
    data     index of the data set, with the paths of the original images
    changes  descriptions of what was changed or dropped, with counts
    """

    spec: str
    classes: Path
    data: DatasetIndex
    changes: Counter[str]


def convert(
    index: DatasetIndex,
    target: DataFormat,
    output: Path,
    split: str = "train",
    images: ImagePlacement = "link",
    keep_difficult: bool = False,
) -> Converted:
    """Write the index atomically to the folder `output`, as far as the format can hold it (see `fit_format`).

    Raises ValueError if the folder exists and is not empty, if no image can be read, or if a name cannot be
    written.
    """
    before = len(index.boxes)
    index, changes = fit_format(index, target, keep_difficult)
    if len(index) == 0:
        raise ValueError("none of the images can be read")
    if before and not len(index.boxes):
        dropped = "; ".join(f"{count} {change}" for change, count in changes.items())
        raise ValueError(f"none of the {before} objects would be left, so nothing was written: {dropped}")
    output = output.absolute()
    with new_folder(output) as folder:
        destination = _place(index, target, images, Destination(folder, output, split, output, ()))
        spec = WRITERS[target](index, destination)
        write_classes(folder / CLASS_FILE, index.class_names)
    return Converted(spec, output / CLASS_FILE, index, changes)


def fit_format(
    index: DatasetIndex, target: DataFormat, keep_difficult: bool = False
) -> tuple[DatasetIndex, Counter[str]]:
    """Return the index as the format can hold it, and counts of what was changed or dropped.

    keep_difficult  keep difficult objects as ordinary ones if the format has no flag for them
    """
    index = replace(index, class_names=class_names_of(index.class_names, "the data set"))
    changes: Counter[str] = Counter()
    if target in HAS_SIZES:
        index = _with_true_sizes(index, changes)
    if target == "voc":
        changes["crowds written as difficult: VOC has no crowds"] = int(index.crowd.sum())
        index = replace(index, difficult=index.difficult | index.crowd, crowd=np.zeros_like(index.crowd))
    elif target != "coco":
        changes[f"crowds dropped: {target} has no flag for them (iscrowd is 1)"] = int(index.crowd.sum())
        index = select_boxes(index, ~index.crowd)
    if target not in HAS_DIFFICULT:
        index = _without_difficult(index, target, keep_difficult, changes)
    if target != "coco":
        box_areas = box_area(index.boxes.astype(np.float64))
        other = ~np.isclose(index.areas, box_areas, rtol=1e-4, atol=0)
        changes[f"areas of outlines not kept: {target} has no areas"] = int(other.sum())
    if target in CLIPS_BOXES:
        index = _clipped(index, changes)
    return index, +changes


def _place(
    index: DatasetIndex, target: DataFormat, placement: ImagePlacement, destination: Destination
) -> Destination:
    """Place the images in the folder, or leave them and find their common folder."""
    paths = [_without_dots(index.path(image_number)) for image_number in range(len(index))]
    if placement == "none":
        if target in BY_STEM:
            require_one_folder(paths)
        images = common_folder(paths)
        return destination._replace(
            images=images, names=[path.relative_to(images).as_posix() for path in paths]
        )
    names = distinct_names(paths)
    below = IMAGE_FOLDERS[target].format(split=destination.split)
    place_images(paths, destination.folder / below, names, placement)
    return destination._replace(images=destination.final / below, names=names)


def _without_dots(path: Path) -> Path:
    return path.parent.resolve() / path.name if ".." in path.parts else path


def _with_true_sizes(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Return the index with the sizes in the image headers; drop images that cannot be read."""
    sizes = np.zeros_like(index.sizes)
    broken = []
    for image_number in range(len(index)):
        try:
            sizes[image_number] = header_size(index.path(image_number))
        except ValueError as error:
            broken.append(f"{index.path(image_number)}: {error}")
    if broken:
        changes[f"unreadable images dropped, for example {broken[0]}"] = len(broken)
    readable = sizes.min(axis=1, initial=1) > 0
    corrected = (index.sizes != sizes).any(axis=1) & index.sizes.any(axis=1) & readable
    changes["sizes corrected: the images have another size than was stated"] = int(corrected.sum())
    return select_images(replace(index, sizes=sizes), readable)


def _without_difficult(
    index: DatasetIndex, target: DataFormat, keep: bool, changes: Counter[str]
) -> DatasetIndex:
    count = int(index.difficult.sum())
    if keep:
        changes[f"difficult objects written as ordinary ones: {target} has no flag for them"] = count
        return replace(index, difficult=np.zeros_like(index.difficult))
    changes[f"difficult objects dropped: {target} has no flag for them (--keep-difficult)"] = count
    return select_boxes(index, ~index.difficult)


def _clipped(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Return the index with boxes clipped to the image; drop boxes outside it."""
    border = np.repeat(index.sizes[:, ::-1], np.diff(index.box_offsets), axis=0)
    boxes = np.clip(index.boxes, 0, np.tile(border, 2)).astype(np.float32)
    inside = sound_boxes(boxes)
    changes["boxes clipped at the image border"] = int((boxes != index.boxes).any(axis=1)[inside].sum())
    changes["boxes dropped: outside their image"] = int((~inside).sum())
    return select_boxes(replace(index, boxes=boxes), inside)
