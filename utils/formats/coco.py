"""COCO instance annotations read into the flat index.

Category ids may have gaps and any order: labels are the positions of the sorted ids, from 0.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np

from utils.data.boxes import xywh_to_xyxy
from utils.data.class_names import names_to_paste, names_with_counts
from utils.data.index import LARGEST, DatasetIndex, flat_index, sound_boxes
from utils.system.files import read_text


def read_coco(path: Path, images: Path, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read a COCO JSON file whose images lie in the folder `images`.

    class_names  the labels' order, matched by category name; None takes the categories of the file.
        Annotations of categories that are not among them are left out with a warning.

    Images without annotations stay; a size that a box denies is not known; areas are those of the file;
    crowds are flagged, and difficult objects by a key of our own. Raises `ValueError` if the file is no such
    JSON, an annotation names an unknown image or category, no category matches, or the name of an image leads
    out of the folder.
    """
    content = load_coco(path)
    try:
        index = _index(path, images, content, class_names)
        "".join(index.class_names).encode("utf-8")  # JSON can spell half a character, UTF-8 cannot
        if (index.path_bytes == 0).any():
            raise TypeError("a file_name holds the character NUL")
        return index
    except (KeyError, TypeError, AttributeError, OverflowError, UnicodeEncodeError) as error:
        reason = f"an entry lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} does not follow the COCO format: {reason}") from None


def load_coco(path: Path) -> dict[str, Any]:
    """The content of a COCO annotation file; ValueError if it is not whole, or another kind of file."""
    text = read_text(path)
    try:
        content = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValueError(incomplete_json(path, error.lineno, error.colno, error.msg)) from None
    except RecursionError:
        raise ValueError(f"{path} is not a COCO file: it nests too deeply") from None
    except ValueError as error:  # a number of more than 4300 digits
        raise ValueError(f"{path} cannot be read: {error}") from None
    parts = ("images", "annotations", "categories")
    missing = [part for part in parts if not isinstance(content, dict) or part not in content]
    if missing:
        raise ValueError(f"{path} is not a COCO annotation file: it has no {', '.join(missing)}")
    return content


def incomplete_json(path: Path, line: int, column: int, problem: str) -> str:
    """The message about a file that is no complete JSON."""
    return (
        f"{path} is not complete JSON (line {line}, column {column}: {problem}): "
        "was it cut off while downloading or copying?"
    )


def _index(
    path: Path, images: Path, content: dict[str, Any], class_names: Sequence[str] | None
) -> DatasetIndex:
    categories = _classes(content)
    names = checked_names(path, list(categories.values())) if class_names is None else tuple(class_names)
    rows = {image["id"]: row for row, image in enumerate(content["images"])}
    if len(rows) < len(content["images"]):
        raise ValueError(f"{path} uses an image id twice")
    annotations = content["annotations"]
    refuse_strangers(path, annotations, "image_id", rows)
    refuse_strangers(path, annotations, "category_id", {item["id"] for item in content["categories"]})

    annotations = sorted(annotations, key=lambda annotation: rows[annotation["image_id"]])
    found = [categories[annotation["category_id"]] for annotation in annotations]
    label_of = {name: label for label, name in enumerate(names)}
    labels = np.array([label_of.get(name, -1) for name in found], np.int32)
    boxes = coco_boxes(annotations)
    usable = _usable(path, boxes, labels, found)
    owners = np.array([rows[annotation["image_id"]] for annotation in annotations], np.int64)
    crowd, difficult = (
        np.array([bool(annotation.get(flag, 0)) for annotation in annotations], bool)
        for flag in ("iscrowd", "difficult")
    )
    return flat_index(
        names,
        image_paths(path, images, content["images"]),
        np.bincount(owners[usable], minlength=len(rows)),
        boxes[usable],
        labels[usable],
        sizes=_sizes(content["images"], owners[usable], boxes[usable]),
        difficult=difficult[usable],
        crowd=crowd[usable],
        areas=coco_areas(annotations)[usable],
    )


def image_paths(path: Path, folder: Path, images: list[dict[str, Any]]) -> list[str]:
    """Absolute paths of the images; `ValueError` for a name that leads out of their folder."""
    folder = folder.absolute()
    for image in images:
        parts = re.split(r"[/\\]", image["file_name"])  # Windows takes both
        if not parts[0] or ".." in parts or re.fullmatch("[A-Za-z]:", parts[0]):
            raise ValueError(
                f"{path}: image {image['id']} has the file_name {image['file_name']!r}, which leads out of "
                f"the image folder: name it from {folder}, without .. and not from the root"
            )
    return [str(folder / image["file_name"]) for image in images]


def _classes(content: dict[str, Any]) -> dict[Any, str]:
    """Category names by id, ids in order.

    Some tools write a placeholder first that only heads the others: it has no annotation, and is the
    `supercategory` of another. It is no class.
    """
    categories = sorted(content["categories"], key=lambda category: category["id"])
    used = {annotation["category_id"] for annotation in content["annotations"]}
    heads = {item.get("supercategory") for item in categories if item.get("supercategory") != item["name"]}
    return {
        item["id"]: str(item["name"])
        for item in categories
        if item["id"] in used or item["name"] not in heads
    }


def checked_names(path: Path, names: list[str]) -> tuple[str, ...]:
    """The names of the categories; ValueError where two are alike, or there is none."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path} has several categories named {', '.join(repeated)}")
    if not names:
        raise ValueError(f"{path} has no category")
    return tuple(names)


def refuse_strangers(path: Path, annotations: list[dict[str, Any]], key: str, known: Any) -> None:
    """ValueError where an annotation's `key` is not among the known ids."""
    strange = [annotation for annotation in annotations if annotation[key] not in known]
    if strange:
        raise ValueError(
            f"{path}: {len(strange)} annotations have an unknown {key}, "
            f"for example annotation {strange[0].get('id')} with {key} {strange[0][key]!r}"
        )


def coco_boxes(annotations: list[dict[str, Any]]) -> np.ndarray:
    """COCO's x, y, width, height as xyxy float64 [N, 4]."""
    return xywh_to_xyxy(_table("bbox", [annotation["bbox"] for annotation in annotations], columns=4))


def coco_areas(annotations: list[dict[str, Any]]) -> np.ndarray:
    """The areas stated (of the object's outline, smaller than its box), or else those of the boxes."""
    stated = [annotation.get("area") for annotation in annotations]
    areas = _table("area", [(-1 if area is None else area,) for area in stated], columns=1)[:, 0]
    sides = _table("bbox", [annotation["bbox"] for annotation in annotations], columns=4)[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where((areas >= 0) & (areas < LARGEST**2), areas, sides[:, 0] * sides[:, 1])


def _sizes(images: list[dict[str, Any]], owners: np.ndarray, boxes: np.ndarray) -> np.ndarray:
    """Height and width [N, 2]; 0 where not stated, or where one of the boxes [M, 4] denies it by a pixel."""
    stated = [(image.get("height") or 0, image.get("width") or 0) for image in images]
    sizes = _table("height or width", stated, columns=2)
    denied = np.zeros(len(sizes), bool)
    denied[owners[(boxes[:, :1:-1] > sizes[owners] + 1).any(axis=1)]] = True
    known = (sizes >= 1).all(axis=1) & (sizes < LARGEST).all(axis=1) & ~denied
    return np.where(known[:, None], sizes, 0).astype(np.int32)


def _table(field: str, rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    if any(len(row) != columns for row in rows):
        raise TypeError(f"{field} is not {columns} numbers")
    try:
        return np.array(rows, np.float64).reshape(-1, columns)
    except ValueError:
        raise TypeError(f"{field} is no number") from None


def _usable(path: Path, boxes: np.ndarray, labels: np.ndarray, found: list[str]) -> np.ndarray:
    """Which boxes can be used; warns of those that cannot, refuses when no category is asked for."""
    known = labels >= 0
    strangers = Counter(name for name, is_known in zip(found, known, strict=True) if not is_known)
    if strangers and not known.any():
        raise ValueError(
            f"no annotation of {path} belongs to one of the classes asked for (--classes). "
            f"{names_to_paste(strangers)}"
        )
    if strangers:
        warn(f"{path}: left out, as not in the class list: {names_with_counts(strangers)}", stacklevel=5)
    with np.errstate(over="ignore", invalid="ignore"):
        sound = sound_boxes(boxes.astype(np.float32))
    if not sound.all():
        warn(f"{path}: left out {int((~sound).sum())} empty, inverted or far too large boxes", stacklevel=5)
    return known & sound
