"""Making an index fit a format: what the format cannot hold is left out and counted, never silently."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from utils.data_writers import Format
from utils.image_files import header_size
from utils.index import DatasetIndex, select_boxes, select_images, sound_boxes

HAS_SIZES: tuple[Format, ...] = ("voc", "coco", "yolo")
HAS_DIFFICULT: tuple[Format, ...] = ("voc", "coco")
CUTS_BOXES: tuple[Format, ...] = ("voc", "yolo")  # their readers cut boxes at the picture's border


def fit_format(
    index: DatasetIndex, target: Format, keep_difficult: bool = False
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
        boxes = index.boxes.astype(np.float64)
        box_areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
        other = ~np.isclose(index.areas, box_areas, rtol=1e-4, atol=0)
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


def _with_true_sizes(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Sizes from the pictures' headers; pictures that cannot be read are left out."""
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
    changes["sizes corrected: the pictures are of another size than was stated"] = int(corrected.sum())
    return select_images(replace(index, sizes=sizes), readable)


def _without_difficult(
    index: DatasetIndex, target: Format, keep: bool, changes: Counter[str]
) -> DatasetIndex:
    count = int(index.difficult.sum())
    if keep:
        changes[f"difficult objects written as plain ones: {target} has no flag for them"] = count
        return replace(index, difficult=np.zeros_like(index.difficult))
    changes[f"difficult objects left out: {target} has no flag for them (--keep-difficult)"] = count
    return select_boxes(index, ~index.difficult)


def _cut(index: DatasetIndex, changes: Counter[str]) -> DatasetIndex:
    """Boxes cut at the border of their picture; those outside are left out."""
    border = np.repeat(index.sizes[:, ::-1], np.diff(index.box_offsets), axis=0)
    boxes = np.clip(index.boxes, 0, np.tile(border, 2)).astype(np.float32)
    inside = sound_boxes(boxes)
    changes["boxes cut at the border of their picture"] = int(
        (boxes != index.boxes).any(axis=1)[inside].sum()
    )
    changes["boxes left out: outside their picture"] = int((~inside).sum())
    return select_boxes(replace(index, boxes=boxes), inside)
