"""Read COCO instance annotations into the flat index.

Category ids may have gaps and any order: labels are positions in the sorted ids, from 0.
"""

import json
import re
from collections import Counter
from collections.abc import Container, Sequence
from pathlib import Path
from typing import Any
from warnings import warn

import numpy as np

from utils.data.boxes import xywh_to_xyxy
from utils.data.class_names import names_to_paste, names_with_counts
from utils.data.index import LARGEST_COORDINATE, DatasetIndex, flat_index, sound_boxes
from utils.data.summary import Problem
from utils.data.types import Boxes, Labels
from utils.system.files import read_text

Content = dict[str, Any]  # JSON object: a COCO file, or an entry in it


def read_coco(path: Path, image_folder: Path, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read a COCO JSON file.

    class_names  class names, by label; None takes the categories of the file. Annotations of other categories
        are skipped with a warning.

    Images without annotations are kept. If a box exceeds the image size in the file, the size counts as
    unknown. Areas are read from the file; crowds are flagged, and so are difficult objects, by a non-standard
    key. Raises ValueError if the file is not COCO JSON, an annotation refers to an unknown image or category,
    no category matches, or an image path leads out of the folder.
    """
    return index_coco(path, image_folder, load_coco(path), class_names)


def index_coco(
    path: Path, image_folder: Path, content: Content, class_names: Sequence[str] | None
) -> DatasetIndex:
    """Return the index of a COCO file that is already loaded; see `read_coco`."""
    try:
        index = _index(path, image_folder, content, class_names)
        "".join(index.class_names).encode("utf-8")  # JSON can hold half a surrogate pair, UTF-8 cannot
        if (index.path_bytes == 0).any():
            raise TypeError("a file_name holds the character NUL")
        return index
    except (KeyError, TypeError, AttributeError, OverflowError, UnicodeEncodeError) as error:
        reason = f"an entry lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} does not follow the COCO format: {reason}") from None


def load_coco(path: Path) -> Content:
    """Return the content of a COCO annotation file; ValueError if incomplete or another kind of file."""
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
    """Return the error message about a file that is not complete JSON."""
    return (
        f"{path} is not complete JSON (line {line}, column {column}: {problem}): "
        "was it cut off while downloading or copying?"
    )


def skipped_annotations(content: Content, class_names: Sequence[str]) -> tuple[list[Problem], Counter[str]]:
    """Return the annotations that `index_coco` skips in a valid file.

    Returns one problem per empty or inverted box, and counts of the categories missing in `class_names`.
    """
    files = {entry["id"]: entry["file_name"] for entry in content["images"]}
    names = {category["id"]: str(category["name"]) for category in content["categories"]}
    problems, unknown_names = [], Counter[str]()
    for annotation in content["annotations"]:
        name, box = names[annotation["category_id"]], annotation["bbox"]
        if name not in class_names:
            unknown_names[name] += 1
        elif not min(box[2:]) > 0:
            text = ", ".join(f"{value:g}" for value in box)
            fault = "inverted" if min(box[2:]) < 0 else "empty"
            problems.append(Problem(files[annotation["image_id"]], f"box {text} (x, y, w, h) is {fault}"))
    return problems, unknown_names


def _index(
    path: Path, image_folder: Path, content: Content, class_names: Sequence[str] | None
) -> DatasetIndex:
    categories = _classes(content)
    names = checked_names(path, list(categories.values())) if class_names is None else tuple(class_names)
    rows = {entry["id"]: row for row, entry in enumerate(content["images"])}
    if len(rows) < len(content["images"]):
        raise ValueError(f"{path} uses an image id twice")
    annotations = content["annotations"]
    refuse_unknown_ids(path, annotations, "image_id", rows)
    refuse_unknown_ids(path, annotations, "category_id", {item["id"] for item in content["categories"]})

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
        image_paths(path, image_folder, content["images"]),
        np.bincount(owners[usable], minlength=len(rows)),
        boxes[usable],
        labels[usable],
        sizes=_sizes(content["images"], owners[usable], boxes[usable]),
        difficult=difficult[usable],
        crowd=crowd[usable],
        areas=coco_areas(annotations)[usable],
    )


def image_paths(path: Path, folder: Path, entries: Sequence[Content]) -> list[str]:
    """Return the absolute image paths; ValueError for a path that leads out of the image folder."""
    folder = folder.absolute()
    for entry in entries:
        parts = re.split(r"[/\\]", entry["file_name"])  # Windows accepts both
        if not parts[0] or ".." in parts or re.fullmatch("[A-Za-z]:", parts[0]):
            raise ValueError(
                f"{path}: image {entry['id']} has the file_name {entry['file_name']!r}, which leads out of "
                f"the image folder: name it relative to {folder}, without .."
            )
    return [str(folder / entry["file_name"]) for entry in entries]


def _classes(content: Content) -> dict[Any, str]:
    """Return the category names by id, sorted by id.

    A category without annotations that is the `supercategory` of another is no class: some tools write one
    first as a placeholder.
    """
    categories = sorted(content["categories"], key=lambda category: category["id"])
    used = {annotation["category_id"] for annotation in content["annotations"]}
    parents = {item.get("supercategory") for item in categories if item.get("supercategory") != item["name"]}
    return {
        item["id"]: str(item["name"])
        for item in categories
        if item["id"] in used or item["name"] not in parents
    }


def checked_names(path: Path, names: list[str]) -> tuple[str, ...]:
    """Return the category names as a tuple; ValueError if a name is repeated or there is none."""
    repeated = sorted(name for name, count in Counter(names).items() if count > 1)
    if repeated:
        raise ValueError(f"{path} has several categories named {', '.join(repeated)}")
    if not names:
        raise ValueError(f"{path} has no category")
    return tuple(names)


def refuse_unknown_ids(
    path: Path, annotations: Sequence[Content], key: str, known: Container[object]
) -> None:
    """Raise ValueError if an annotation's `key` is not among the known ids."""
    unknown = [annotation for annotation in annotations if annotation[key] not in known]
    if unknown:
        raise ValueError(
            f"{path}: {len(unknown)} annotations have an unknown {key}, "
            f"for example annotation {unknown[0].get('id')} with {key} {unknown[0][key]!r}"
        )


def coco_boxes(annotations: Sequence[Content]) -> Boxes:
    """Return the boxes of the annotations as xyxy, float64 [N, 4]."""
    boxes = _table("bbox", [annotation["bbox"] for annotation in annotations], columns=4)
    return xywh_to_xyxy(boxes)


def coco_areas(annotations: Sequence[Content]) -> np.ndarray:
    """Return the annotated (segmentation) areas, or else the box areas; float64 [N]."""
    stated = [annotation.get("area") for annotation in annotations]
    areas = _table("area", [(-1 if area is None else area,) for area in stated], columns=1)[:, 0]
    sides = _table("bbox", [annotation["bbox"] for annotation in annotations], columns=4)[:, 2:]
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where((areas >= 0) & (areas < LARGEST_COORDINATE**2), areas, sides[:, 0] * sides[:, 1])


def _sizes(entries: Sequence[Content], owners: np.ndarray, boxes: Boxes) -> np.ndarray:
    """Return height and width [N, 2]; 0 if missing, or if a box exceeds the image by more than a pixel."""
    stated = [(entry.get("height") or 0, entry.get("width") or 0) for entry in entries]
    sizes = _table("height or width", stated, columns=2)
    contradicted = np.zeros(len(sizes), bool)
    contradicted[owners[(boxes[:, :1:-1] > sizes[owners] + 1).any(axis=1)]] = True
    known = (sizes >= 1).all(axis=1) & (sizes < LARGEST_COORDINATE).all(axis=1) & ~contradicted
    return np.where(known[:, None], sizes, 0).astype(np.int32)


def _table(field: str, rows: Sequence[Sequence[float]], columns: int) -> np.ndarray:
    if any(len(row) != columns for row in rows):
        raise TypeError(f"{field} is not {columns} numbers")
    try:
        return np.array(rows, np.float64).reshape(-1, columns)
    except ValueError:
        raise TypeError(f"{field} is not a number") from None


def _usable(path: Path, boxes: Boxes, labels: Labels, found: Sequence[str]) -> np.ndarray:
    """Return which boxes can be used, bool [N]; warn of the others. ValueError if no category matches."""
    known = labels >= 0
    unknown_names = Counter(name for name, is_known in zip(found, known, strict=True) if not is_known)
    if unknown_names and not known.any():
        raise ValueError(
            f"no annotation of {path} belongs to one of the classes asked for (--classes). "
            f"{names_to_paste(unknown_names)}"
        )
    if unknown_names:
        warn(
            f"{path}: skipped classes not in the class list: {names_with_counts(unknown_names)}", stacklevel=6
        )
    with np.errstate(over="ignore", invalid="ignore"):
        sound = sound_boxes(boxes.astype(np.float32))
    if not sound.all():
        warn(f"{path}: skipped {int((~sound).sum())} empty, inverted or far too large boxes", stacklevel=6)
    return known & sound
