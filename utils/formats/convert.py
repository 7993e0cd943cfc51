"""Converting an index to a format: what that cannot hold is left out and counted, never silently."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area
from utils.data.index import DatasetIndex, select_boxes, select_images, sound_boxes
from utils.formats.place_images import How, common_folder, distinct_names, place_images, require_one_folder
from utils.formats.writers import IMAGE_FOLDERS, WRITERS, DataFormat, Destination
from utils.images.headers import header_size
from utils.system.files import new_folder, write_text

HAS_SIZES: tuple[DataFormat, ...] = ("voc", "coco", "yolo")
HAS_DIFFICULT: tuple[DataFormat, ...] = ("voc", "coco")
BY_STEM: tuple[DataFormat, ...] = ("voc", "yolo")  # annotations are found by the image's name without suffix
CLASS_FILE = "classes.txt"
CUTS_BOXES: tuple[DataFormat, ...] = ("voc", "yolo")  # their readers cut boxes at the image's border


class Converted(NamedTuple):
    """A data set that was written.

    spec     how to name it for `read_data`
    classes  the file of its class names
    data     what is in it; its paths are those of the images it was made of
    changes  what was changed or left out, with counts
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
    images: How = "link",
    keep_difficult: bool = False,
) -> Converted:
    """Write the index to the folder `output`, which appears whole or not at all; see `fit_format`.

    Raises `ValueError` if the folder is there and not empty, if no image can be read, or if a name cannot be
    written.
    """
    index, changes = fit_format(index, target, keep_difficult)
    if len(index) == 0:
        raise ValueError("there is no image that can be read")
    output = output.absolute()
    with new_folder(output) as folder:
        place = _place(index, target, images, Destination(folder, output, split, output, ()))
        spec = WRITERS[target](index, place)
        write_text(folder / CLASS_FILE, "".join(f"{name}\n" for name in index.class_names))
    return Converted(spec, output / CLASS_FILE, index, changes)


def fit_format(
    index: DatasetIndex, target: DataFormat, keep_difficult: bool = False
) -> tuple[DatasetIndex, Counter[str]]:
    """The index as the format can hold it, and what was changed for it, with counts.

    keep_difficult  where the format has no flag for difficult objects, keep them as plain ones
    """
    require_plain_names(index.class_names)
    changes: Counter[str] = Counter()
    if target in HAS_SIZES:
        index = _with_true_sizes(index, changes)
    if target == "voc":
        changes["crowds written as difficult: VOC knows no crowds"] = int(index.crowd.sum())
        index = replace(index, difficult=index.difficult | index.crowd, crowd=np.zeros_like(index.crowd))
    elif target != "coco":
        changes[f"crowds left out: {target} has no flag for them"] = int(index.crowd.sum())
        index = select_boxes(index, ~index.crowd)
    if target not in HAS_DIFFICULT:
        index = _without_difficult(index, target, keep_difficult, changes)
    if target != "coco":
        other = ~np.isclose(index.areas, box_area(index.boxes.astype(np.float64)), rtol=1e-4, atol=0)
        changes[f"areas of outlines not kept: {target} has no place for them"] = int(other.sum())
    if target in CUTS_BOXES:
        index = _cut(index, changes)
    return index, +changes


def require_plain_names(names: Sequence[str]) -> None:
    """`ValueError` for a class name that no line of a class list, and no XML, can hold."""
    for name in names:
        if not name or name != name.strip() or any(ord(c) < 32 or c in "\x7f\ufffe\uffff" for c in name):
            raise ValueError(
                f"the class name {name!r} cannot be a line of a class list: rename it in the data"
            )


def _place(index: DatasetIndex, target: DataFormat, how: How, place: Destination) -> Destination:
    """Bring the images into the folder, or find where they are."""
    paths = [_without_dots(index.path(image)) for image in range(len(index))]
    if how == "none":
        if target in BY_STEM:
            require_one_folder(paths)
        images = common_folder(paths)
        return place._replace(images=images, names=[path.relative_to(images).as_posix() for path in paths])
    names = distinct_names(paths)
    below = IMAGE_FOLDERS[target].format(split=place.split)
    place_images(paths, place.folder / below, names, how)
    return place._replace(images=place.final / below, names=names)


def _without_dots(path: Path) -> Path:
    return path.parent.resolve() / path.name if ".." in path.parts else path


def _with_true_sizes(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Sizes from the images' headers; images that cannot be read are left out."""
    sizes = np.zeros_like(index.sizes)
    broken = []
    for image in range(len(index)):
        try:
            sizes[image] = header_size(index.path(image))
        except ValueError as error:
            broken.append(f"{index.path(image)}: {error}")
    if broken:
        changes[f"images left out that cannot be read, such as {broken[0]}"] = len(broken)
    readable = sizes.min(axis=1, initial=1) > 0
    corrected = (index.sizes != sizes).any(axis=1) & index.sizes.any(axis=1) & readable
    changes["sizes corrected: the images are of another size than was stated"] = int(corrected.sum())
    return select_images(replace(index, sizes=sizes), readable)


def _without_difficult(
    index: DatasetIndex, target: DataFormat, keep: bool, changes: Counter[str]
) -> DatasetIndex:
    count = int(index.difficult.sum())
    if keep:
        changes[f"difficult objects written as plain ones: {target} has no flag for them"] = count
        return replace(index, difficult=np.zeros_like(index.difficult))
    changes[f"difficult objects left out: {target} has no flag for them (--keep-difficult)"] = count
    return select_boxes(index, ~index.difficult)


def _cut(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Boxes cut at the border of their image; those outside are left out."""
    border = np.repeat(index.sizes[:, ::-1], np.diff(index.box_offsets), axis=0)
    boxes = np.clip(index.boxes, 0, np.tile(border, 2)).astype(np.float32)
    inside = sound_boxes(boxes)
    changes["boxes cut at the border of their image"] = int((boxes != index.boxes).any(axis=1)[inside].sum())
    changes["boxes left out: outside their image"] = int((~inside).sum())
    return select_boxes(replace(index, boxes=boxes), inside)
