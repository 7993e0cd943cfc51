"""The entries of a COCO file: those that can be used, and a note for each of the others.

A sound file passes one quick check. Otherwise every entry is looked at: ids written as text are matched with
ids written as numbers, a missing box is taken from its polygon, and what remains unusable is skipped.
"""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.data.notes import (
    IMAGES_REPEATED,
    IMAGES_SKIPPED,
    OBJECTS_SKIPPED,
    REPAIRED,
    NoteTaker,
    problems_of,
)
from utils.data.summary import first_lines, require_most

Content = dict[str, Any]  # JSON object: a COCO file, or an entry in it
MOST_AMBIGUOUS = 0.1  # fraction of the images that may share their id with another one
ADVICE = "is it a COCO annotation file of these images?"


class CocoEntries(NamedTuple):
    """Entries that fit together: ids occur once, and annotations have known ids.

    images       entries with an id and a file_name
    annotations  entries with an image_id, a category_id, and a bbox of four numbers
    categories   entries with an id and a name, sorted by id
    boxes        float64 [N, 4], the bbox of each annotation: x, y, width, height; may be NaN or empty
    """

    images: Sequence[Content]
    annotations: Sequence[Content]
    categories: Sequence[Content]
    boxes: np.ndarray


def sound_entries(path: Path, content: Content, taker: NoteTaker, needs_files: bool = True) -> CocoEntries:
    """Return the usable entries of a COCO file; the others go to `taker`.

    needs_files  whether images without a file_name are unusable

    Raises ValueError if two categories share an id, or if most images or annotations cannot be used.
    """
    if (entries := _all_entries(content, needs_files)) is not None:
        return entries
    for part in ("images", "annotations", "categories"):
        if not isinstance(content[part], list):
            raise ValueError(f"{path} is not a COCO annotation file: its {part} are not a list")
    categories = _categories(path, content["categories"])
    images = _images(path, content["images"], taker, needs_files)
    files = {image["id"]: image.get("file_name", "without name") for image in images}
    image_ids = {_id_text(key): key for key in files}
    if needs_files:
        images, joined = _one_per_file(path, images, taker)
        image_ids |= joined
    ids = (image_ids, {_id_text(item["id"]): item["id"] for item in categories})
    annotations = []
    for number, annotation in enumerate(content["annotations"]):
        name = _name_of("annotation", annotation, number)
        try:
            annotations.append(_annotation(annotation, *ids))
        except ValueError as error:
            taker.add(OBJECTS_SKIPPED, path, f"{name}{_image_of(annotation, ids[0], files)}: {error}")
            continue
        if not _is_box(annotation.get("bbox")):
            image = _image_of(annotation, ids[0], files)
            taker.add(REPAIRED, path, f"{name}{image}: no bbox, so that of its polygon is used")
    skipped = problems_of(taker.notes(), [OBJECTS_SKIPPED])
    require_most(skipped, len(content["annotations"]), path, ADVICE)
    boxes = np.array([annotation["bbox"] for annotation in annotations], np.float64).reshape(-1, 4)
    return CocoEntries(images, annotations, categories, boxes)


def _all_entries(content: Content, needs_files: bool) -> CocoEntries | None:
    """Return all entries if every one can be used as it is, else None; 0.4 us per annotation."""
    images, annotations, categories = (content[part] for part in ("images", "annotations", "categories"))
    try:
        image_ids, category_ids = ({entry["id"] for entry in part} for part in (images, categories))
        boxes = np.array([annotation["bbox"] for annotation in annotations], np.float64)
        if (
            len(image_ids) == len(images)
            and len(category_ids) == len(categories)
            and not (needs_files and len({entry["file_name"] for entry in images}) < len(images))
            and all(annotation["image_id"] in image_ids for annotation in annotations)
            and all(annotation["category_id"] in category_ids for annotation in annotations)
            and all(_is_file_name(entry["file_name"]) for entry in images if needs_files)
            and len({type(key) for key in image_ids}) <= 1
            and len({type(key) for key in category_ids}) <= 1
            and all("name" in entry for entry in categories)
            and boxes.shape in ((len(annotations), 4), (0,))
        ):
            ordered = sorted(categories, key=lambda entry: id_order(entry["id"]))
            return CocoEntries(images, annotations, ordered, boxes.reshape(-1, 4))
    except (LookupError, TypeError, ValueError, AttributeError, OverflowError):
        pass
    return None


def _categories(path: Path, entries: Iterable[Any]) -> list[Content]:
    """Return the categories sorted by id, without repeated ones."""
    found: dict[str, Content] = {}
    for number, entry in enumerate(entries):
        key = _id_text(entry.get("id")) if isinstance(entry, dict) else ""
        if not key or "name" not in entry:
            raise ValueError(f"{path}: category {number} of the list lacks an id or a name: add it")
        if found.setdefault(key, entry)["name"] != entry["name"]:
            names = f"{found[key]['name']!r} and {entry['name']!r}"
            raise ValueError(
                f"{path}: the category id {key} stands for {names}: were two data sets joined by hand? "
                "Give each file separately, as in --train a.json:images/ b.json:images/"
            )
    return sorted(found.values(), key=lambda entry: id_order(entry["id"]))


def _images(path: Path, entries: Iterable[Any], taker: NoteTaker, needs_files: bool) -> list[Content]:
    """Return the images whose id stands for one file."""
    found: dict[str, Content] = {}
    conflicts: dict[str, str] = {}
    total = 0
    for number, entry in enumerate(entries):
        total += 1
        key = _id_text(entry.get("id")) if isinstance(entry, dict) else ""
        file = entry.get("file_name") if isinstance(entry, dict) else None
        if not key or (needs_files and not _is_file_name(file)):
            reason = f"{_name_of('image', entry, number)} lacks an id or a file_name"
            taker.add(IMAGES_SKIPPED, path, reason)
        elif found.setdefault(key, entry).get("file_name") != file:
            conflicts.setdefault(key, f"{found[key].get('file_name')} and {file}")
        elif found[key] is not entry:
            taker.add(IMAGES_REPEATED, path, f"image {key} ({file}) is listed again")
    if 2 * len(conflicts) > MOST_AMBIGUOUS * total:
        first, files = next(iter(conflicts.items()))
        more = f" (and {len(conflicts) - 1} more ids)" if len(conflicts) > 1 else ""
        raise ValueError(
            f"{path}: the image id {first} stands for {files}{more}. If two data sets were joined by hand, "
            "give their files separately: --train a.json:images/ b.json:images/"
        )
    for key, files in conflicts.items():
        taker.add(
            IMAGES_SKIPPED, path, f"the image id {key} stands for {files}, so its labels fit neither", count=2
        )
        del found[key]
    if total and 2 * len(found) < total:
        reasons = [reason for _, reason in problems_of(taker.notes(), [IMAGES_SKIPPED])]
        raise ValueError(f"{path}: most of the images cannot be used: {ADVICE}\n{first_lines(reasons)}")
    return list(found.values())


def _one_per_file(
    path: Path, images: Sequence[Content], taker: NoteTaker
) -> tuple[list[Content], dict[str, Any]]:
    """Return the first image of each file, and the id of that image for each other id of the file."""
    found: dict[str, Content] = {}
    joined = {}
    for image in images:
        first = found.setdefault(image["file_name"], image)
        if first is not image:
            joined[_id_text(image["id"])] = first["id"]
            ids = f"{first['id']} and {image['id']}"
            taker.add(REPAIRED, path, f"the images {ids} are both {image['file_name']}: joined")
    return list(found.values()), joined


def _annotation(entry: Any, images: Mapping[str, Any], categories: Mapping[str, Any]) -> Content:
    """Return the annotation with the ids as they are in the lists of images and categories, and a bbox."""
    if not isinstance(entry, dict):
        raise ValueError("it is not a JSON object")
    for key, known in (("image_id", images), ("category_id", categories)):
        if _id_text(entry.get(key)) not in known:
            raise ValueError(f"its {key} {_short(entry.get(key))} is unknown")
    bbox = entry.get("bbox")
    box = np.array(bbox, np.float64).tolist() if _is_box(bbox) else _polygon_box(entry.get("segmentation"))
    if box is None:
        raise ValueError(f"its bbox is {_short(bbox)}, not four numbers (x, y, width, height)")
    ids = {"image_id": images[_id_text(entry["image_id"])]}
    return {**entry, **ids, "category_id": categories[_id_text(entry["category_id"])], "bbox": box}


def _is_box(value: Any) -> bool:
    return isinstance(value, list) and len(value) == 4 and all(map(_is_number, value))


def _is_number(value: Any) -> bool:
    """Return whether a value is a number, also as text; null counts, as NaN does: the box is unusable."""
    try:
        float(np.float64(value))
    except (TypeError, ValueError, OverflowError):
        return False
    return not isinstance(value, list)


def _polygon_box(segmentation: Any) -> list[float] | None:
    """Return the bounding box (x, y, width, height) of COCO polygons; None if there are none."""
    if not isinstance(segmentation, list):
        return None
    try:
        points = np.concatenate([np.array(polygon, np.float64).reshape(-1, 2) for polygon in segmentation])
        (x1, y1), (x2, y2) = points.min(axis=0).tolist(), points.max(axis=0).tolist()
    except (TypeError, ValueError, OverflowError):
        return None
    return [x1, y1, x2 - x1, y2 - y1]


def _is_file_name(value: Any) -> bool:
    try:
        return isinstance(value, str) and bool(value) and b"\0" not in value.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair
        return False


def id_order(value: Any) -> tuple[bool, float, str]:
    """Return a key to sort ids by: numbers first, then text."""
    is_text = isinstance(value, str)
    return is_text, 0 if is_text else value, str(value)


def _id_text(value: Any) -> str:
    """Return an id as text, the same for 7, 7.0 and "7"; empty for anything that is no id."""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value).strip() if isinstance(value, int | str) else ""


def _name_of(kind: str, entry: Any, number: int) -> str:
    stated = _id_text(entry.get("id")) if isinstance(entry, dict) else ""
    return f"{kind} {stated}" if stated else f"{kind} {number} of the list"


def _image_of(entry: Any, ids: Mapping[str, Any], files: Mapping[Any, str]) -> str:
    key = _id_text(entry.get("image_id")) if isinstance(entry, dict) else ""
    return f" (image {files[ids[key]]})" if key in ids else ""


def _short(value: Any) -> str:
    """Return a value as JSON shows it, cut off."""
    text = "missing" if value is None else repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
