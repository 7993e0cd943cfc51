"""Read COCO instance annotations into the flat index.

Category ids may have gaps and any order: labels are positions in the sorted ids, from 0.
"""

import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.boxes import xywh_to_xyxy
from utils.data.class_names import class_name, class_names_of, names_to_paste
from utils.data.index import LARGEST_COORDINATE, DatasetIndex, flat_index, sound_boxes
from utils.data.notes import IMAGES_SKIPPED, OBJECTS_SKIPPED, OTHER_CLASSES, NoteTaker
from utils.data.types import Boxes, Labels
from utils.formats.coco_entries import CocoEntries, Content, sound_entries
from utils.formats.coco_sizes import image_sizes, numbers
from utils.formats.paths import existing_path
from utils.formats.plausible import refuse_fractions
from utils.system.files import read_text

YES = (True, "1", "true", "True")  # of the flags; True is 1 and 1.0 too, and bool("0") would be true


def read_coco(path: Path, image_folder: Path, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read a COCO JSON file.

    class_names  class names, by label; None takes the categories of the file. Annotations of other categories
        are skipped and noted.

    Images without annotations are kept. Areas are read from the file; crowds are flagged, and so are
    difficult objects, by a non-standard key. Entries that cannot be used are skipped and noted (see
    `sound_entries`), and so are sizes that boxes contradict (see `image_sizes`). Raises ValueError if the
    file is not COCO JSON, most of it cannot be used, no category matches, or boxes are in another form.
    """
    return index_coco(path, image_folder, load_coco(path), class_names)


def index_coco(
    path: Path, image_folder: Path, content: Content, class_names: Sequence[str] | None
) -> DatasetIndex:
    """Return the index of a COCO file that is already loaded; see `read_coco`."""
    taker = NoteTaker()
    entries = _inside(path, image_folder, sound_entries(path, content, taker), taker)
    categories = _classes(path, entries)
    names = class_names_of(list(categories.values()), path) if class_names is None else tuple(class_names)
    rows = {entry["id"]: row for row, entry in enumerate(entries.images)}
    owners = np.array([rows[annotation["image_id"]] for annotation in entries.annotations], np.int64)
    order = np.argsort(owners, kind="stable")
    annotations, owners = [entries.annotations[row] for row in order.tolist()], owners[order]
    boxes = xywh_to_xyxy(entries.boxes[order])
    refuse_fractions(boxes, path)

    found = [categories[annotation["category_id"]] for annotation in annotations]
    label_of = {name: label for label, name in enumerate(names)}
    labels = np.array([label_of.get(name, -1) for name in found], np.int32)
    _note_other_classes(path, labels, found, taker)
    usable = (labels >= 0) & _sound(path, entries, annotations, boxes, owners, taker)
    crowd, difficult = (
        np.array([annotation.get(flag, 0) in YES for annotation in annotations], bool)
        for flag in ("iscrowd", "difficult")
    )
    paths = image_paths(image_folder, entries.images)
    sizes = image_sizes(path, entries.images, paths, owners[usable], boxes[usable], taker)
    return flat_index(
        names,
        paths,
        np.bincount(owners[usable], minlength=len(rows)),
        boxes[usable],
        labels[usable],
        sizes=sizes,
        difficult=difficult[usable],
        crowd=crowd[usable],
        areas=coco_areas(annotations, entries.boxes[order])[usable],
        notes=taker.notes(),
    )


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


def image_paths(folder: Path, entries: Sequence[Content]) -> list[str]:
    """Return the absolute image paths; names with backslashes are those of Windows, unless they exist."""
    folder = folder.absolute()
    return [existing_path(folder, entry["file_name"]) for entry in entries]


def _inside(path: Path, folder: Path, entries: CocoEntries, taker: NoteTaker) -> CocoEntries:
    """Return the entries without images whose path leads out of the image folder."""
    outside = {
        entry["id"]: f"image {entry['id']} has the file_name {entry['file_name']!r}, which leads out of the "
        f"image folder: name it relative to {folder.absolute()}, without .."
        for entry in entries.images
        if _leads_out(entry["file_name"])
    }
    if not outside:
        return entries
    if 2 * len(outside) > len(entries.images):
        raise ValueError(
            f"{path}: {len(outside)} of {len(entries.images)} images: {next(iter(outside.values()))}"
        )
    for reason in outside.values():
        taker.add(IMAGES_SKIPPED, path, reason)
    kept = [row for row, item in enumerate(entries.annotations) if item["image_id"] not in outside]
    return entries._replace(
        images=[entry for entry in entries.images if entry["id"] not in outside],
        annotations=[entries.annotations[row] for row in kept],
        boxes=entries.boxes[kept],
    )


def _leads_out(file_name: str) -> bool:
    parts = re.split(r"[/\\]", file_name)  # Windows accepts both
    return not parts[0] or ".." in parts or re.fullmatch("[A-Za-z]:", parts[0]) is not None


def _classes(path: Path, entries: CocoEntries) -> dict[Any, str]:
    """Return the category names by id, sorted by id.

    A category without annotations that is the `supercategory` of another is no class: some tools write one
    first as a placeholder.
    """
    categories = entries.categories
    used = {annotation["category_id"] for annotation in entries.annotations}
    parents = [item.get("supercategory") for item in categories if item.get("supercategory") != item["name"]]
    kept = [item for item in categories if item["id"] in used or item["name"] not in parents]
    try:
        return {item["id"]: class_name(item["name"]) for item in kept}
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None


def coco_areas(annotations: Sequence[Content], boxes: np.ndarray) -> np.ndarray:
    """Return the annotated (segmentation) areas, or else those of the boxes (x, y, width, height); [N]."""
    areas = numbers([annotation.get("area") for annotation in annotations])
    with np.errstate(over="ignore", invalid="ignore"):
        return np.where((areas >= 0) & (areas < LARGEST_COORDINATE**2), areas, boxes[:, 2] * boxes[:, 3])


def _note_other_classes(path: Path, labels: Labels, found: Sequence[str], taker: NoteTaker) -> None:
    """Note the objects of categories that are not asked for; ValueError if there are no others."""
    unknown = Counter(name for name, label in zip(found, labels.tolist(), strict=True) if label < 0)
    if unknown and unknown.total() == len(labels):
        raise ValueError(
            f"no annotation of {path} belongs to one of the classes asked for (--classes). "
            f"{names_to_paste(unknown)}"
        )
    for name, count in unknown.items():
        taker.add(OTHER_CLASSES, path, "not in the class list", subject=name, count=count)


def _sound(
    path: Path,
    entries: CocoEntries,
    annotations: Sequence[Content],
    boxes: Boxes,
    owners: np.ndarray,
    taker: NoteTaker,
) -> np.ndarray:
    """Return which boxes can be used, bool [N], and note the others."""
    with np.errstate(over="ignore", invalid="ignore"):
        sound = sound_boxes(boxes.astype(np.float32))
    for row in np.flatnonzero(~sound).tolist():
        sides = np.array(annotations[row]["bbox"], np.float64)[2:]
        fault = "inverted" if (sides < 0).any() else "empty" if (sides == 0).any() else "not one of pixels"
        text = ", ".join(map(str, annotations[row]["bbox"]))
        name = f"annotation {annotations[row].get('id')}, image {entries.images[owners[row]]['file_name']}"
        taker.add(OBJECTS_SKIPPED, path, f"{name}: box {text} (x, y, w, h) is {fault}")
    return sound
