"""Image sizes of a COCO file, where boxes contradict them, and boxes that reach beyond the image."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.boxes import xyxy_to_xywh
from utils.data.index import LARGEST_COORDINATE
from utils.data.notes import CLIPPED, REPAIRED, NoteTaker
from utils.data.types import Boxes
from utils.formats.coco_entries import Content
from utils.formats.plausible import refuse_corners
from utils.images.headers import header_size

ROUNDING = 1.0  # pixels that a box may reach beyond its image without a word


def image_sizes(
    path: Path,
    entries: Sequence[Content],
    images: Sequence[str],
    owners: np.ndarray,
    boxes: Boxes,
    taker: NoteTaker,
) -> np.ndarray:
    """Return height and width of each image, int32 [N, 2]; 0 if the file does not state them.

    images  paths of the images
    owners  int64 [M], image number of each box
    boxes   [M, 4], xyxy, not clipped

    The size of an image with a box beyond it is read from the image, and is 0 if that fails. Such sizes, and
    boxes that will be clipped, are noted. Raises ValueError if most boxes seem to be x1, y1, x2, y2.
    """
    sizes = np.stack(
        [numbers([entry.get(side) for entry in entries]) for side in ("height", "width")], axis=1
    )
    known = np.all((sizes >= 1) & (sizes < LARGEST_COORDINATE), axis=1)
    sizes = np.where(known[:, None], sizes, 0).astype(np.int32)
    refuse_corners(xyxy_to_xywh(boxes), boxes, sizes[owners, ::-1], "x, y, width, height", path)
    for row in np.unique(owners[_beyond(boxes, sizes[owners])]).tolist():
        stated, sizes[row] = tuple(sizes[row].tolist()), _size_or_unknown(images[row])
        if sizes[row].all() and stated != tuple(sizes[row].tolist()):
            file_name = entries[row]["file_name"]
            taker.add(
                REPAIRED, path, f"image {file_name}: its size is {_text(sizes[row])}, not {_text(stated)}"
            )
    for row in np.flatnonzero(_beyond(boxes, sizes[owners])).tolist():
        box = ", ".join(f"{value:g}" for value in boxes[row])
        file_name, size = entries[owners[row]]["file_name"], _text(sizes[owners[row]])
        taker.add(CLIPPED, path, f"image {file_name}: the box {box} (x1, y1, x2, y2) reaches beyond {size}")
    return sizes


def numbers(values: Sequence[Any]) -> np.ndarray:
    """Return the values as float64, NaN for what is missing or not a number."""
    try:
        return np.array(values, np.float64).reshape(len(values))
    except (TypeError, ValueError, OverflowError):
        return np.array([*map(_number, values)], np.float64)


def _number(value: Any) -> float:
    try:
        return float(value) if isinstance(value, int | float) else np.nan
    except OverflowError:  # an integer of hundreds of digits
        return np.nan


def _beyond(boxes: Boxes, sizes: np.ndarray) -> np.ndarray:
    """Return which boxes reach beyond their image, bool [M]; False if the size is 0."""
    past = (boxes[:, :1:-1] > sizes + ROUNDING) | (boxes[:, 1::-1] < -ROUNDING)
    return np.any(past, axis=1) & np.all(sizes, axis=1)


def _size_or_unknown(image: str) -> tuple[int, int]:
    try:
        return header_size(Path(image))
    except ValueError:
        return 0, 0


def _text(size: Sequence[int] | np.ndarray) -> str:
    return f"{size[1]}x{size[0]}"
