"""Read detections in COCO's result format: a JSON list of {"image_id", "category_id", "bbox", "score"}.

Half a million detections are read in 1.2 s, block by block: one list of dicts would take five times the
file size in memory.
"""

import json
from collections.abc import Callable, Iterator
from itertools import chain
from json import JSONDecodeError
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from utils.data.boxes import xywh_to_xyxy
from utils.data.index import LARGEST_COORDINATE
from utils.evaluate.ground_truth import FlatDetections
from utils.formats.coco import incomplete_json
from utils.system.files import read_text

CHARACTERS_AT_ONCE = 1 << 17  # characters of JSON parsed at once

Entry = dict[str, Any]
# Image indices int64 [K], boxes (x, y, width, height) float64 [K, 4], scores float64 [K], labels int64 [K];
# -1 for an unknown image or class.
_Columns = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]
_NOTHING: _Columns = (np.zeros(0, np.int64), np.zeros((0, 4)), np.zeros(0), np.zeros(0, np.int64))


class Join(NamedTuple):
    """How the entries of a file refer to images and classes.

    image_key, category_key  keys of an entry
    row, label               functions from the value of a key to image index or label, -1 if unknown
    """

    image_key: str
    category_key: str
    row: Callable[[Any], int]
    label: Callable[[Any], int]


def read_coco_results(path: Path, by_id: Join, by_name: Join) -> FlatDetections:
    """Read all detections; the first entry decides whether images and classes are given by id or by name.

    Boxes are converted to xyxy in pixels. Raises ValueError, which names the entry, for an unknown image or
    category, a non-finite score, or a box that is not four finite numbers or has a negative side; and if the
    file is truncated or not a JSON list.
    """
    parts: list[_Columns] = []
    join, first = None, 0
    for entries in _blocks(path, read_text(path)):
        join = join or _choose(path, entries[0], by_id, by_name)
        try:
            columns = _columns(entries, join)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError):
            columns = None
        if columns is None or not _are_valid(columns):
            raise ValueError(_complaint(path, entries, first, join))
        parts.append(columns)
        first += len(entries)
    image_numbers, boxes, scores, labels = map(np.concatenate, zip(_NOTHING, *parts, strict=True))
    return FlatDetections(image_numbers, xywh_to_xyxy(boxes), scores, labels)


def _blocks(path: Path, text: str) -> Iterator[list[Entry]]:
    """Yield the entries in lists of a few thousand; ValueError if the text is not a complete JSON list."""
    position = len(text) - len(text.lstrip())
    if text[position : position + 1] != "[":
        raise ValueError(_not_a_list(path, text))
    position += 1
    size = CHARACTERS_AT_ONCE
    while True:
        end = text.find("},", position + size)
        last = end < 0
        block = f"[{text[position:]}" if last else f"[{text[position : end + 1]}]"
        try:
            entries = json.loads(block)
        except JSONDecodeError as error:
            if last:
                raise ValueError(_cut_off(path, text, position, error)) from None
            size *= 2  # the block ended inside an entry with nested objects, or the text is invalid
            continue
        except (RecursionError, ValueError):
            raise ValueError(f"{path} cannot be read as a list of detections") from None
        if entries:
            yield entries
        if last:
            return
        position, size = end + 2, CHARACTERS_AT_ONCE


def _not_a_list(path: Path, text: str) -> str:
    what = "is empty" if not text.strip() else "is no JSON list"
    if text.lstrip().startswith("{"):
        what = "is a JSON object"
    if '"annotations"' in text[:CHARACTERS_AT_ONCE] or '"images"' in text[:CHARACTERS_AT_ONCE]:
        what += " (an annotation file? that is for --ground-truth)"
    return f'{path} {what}: detections are a list of {{"image_id", "category_id", "bbox", "score"}}'


def _cut_off(path: Path, text: str, position: int, error: JSONDecodeError) -> str:
    at = position + error.pos - 1
    line = text.count("\n", 0, at) + 1
    column = at - text.rfind("\n", 0, max(at, 0))
    return incomplete_json(path, line, column, error.msg)


def _choose(path: Path, entry: Any, by_id: Join, by_name: Join) -> Join:
    for join in (by_id, by_name):
        if isinstance(entry, dict) and join.image_key in entry and join.category_key in entry:
            return join
    keys = " and ".join(f'"{join.image_key}", "{join.category_key}"' for join in (by_id, by_name))
    raise ValueError(f"{path}: entry 1 has no image and class; the keys are {keys}")


def _columns(entries: list[Entry], join: Join) -> _Columns:
    """Return the columns of some entries; raises various errors for an invalid entry."""
    scores = [entry["score"] for entry in entries]
    boxes = [entry["bbox"] for entry in entries]
    if {*map(type, scores), *map(type, chain.from_iterable(boxes))} - {float, int}:
        raise TypeError("NumPy would convert text to numbers")
    return (
        np.array([join.row(entry[join.image_key]) for entry in entries], np.int64),
        np.array(boxes, np.float64).reshape(-1, 4),
        np.array(scores, np.float64),
        np.array([join.label(entry[join.category_key]) for entry in entries], np.int64),
    )


def _are_valid(columns: _Columns) -> bool:
    image_numbers, boxes, scores, labels = columns
    known = (image_numbers >= 0).all() and (labels >= 0).all()
    return bool(known and _finite(scores) and _finite(boxes) and (boxes[:, 2:] >= 0).all())


def _finite(values: np.ndarray) -> bool:
    return bool((np.abs(values) < LARGEST_COORDINATE).all())  # also False for NaN


def _complaint(path: Path, entries: list[Entry], first: int, join: Join) -> str:
    """Return what is wrong with the first invalid entry."""
    for number, entry in enumerate(entries, first + 1):
        problem = _problem(entry, join)
        if problem:
            return f"{path}: entry {number} {problem}"
    raise AssertionError("an entry is invalid")


def _problem(entry: Any, join: Join) -> str:
    if not isinstance(entry, dict):
        return "is no JSON object"
    missing = [key for key in (join.image_key, join.category_key, "bbox", "score") if key not in entry]
    if missing:
        return f"has no {', '.join(missing)}"
    for key, number in ((join.image_key, join.row), (join.category_key, join.label)):
        value = entry[key]
        if isinstance(value, list | dict) or number(value) < 0:
            return f"has the {key} {value!r}, which the ground truth does not have"
    if not _is_number(entry["score"]):
        return f"has the score {entry['score']!r}, which is no finite number"
    box = entry["bbox"]
    if not isinstance(box, list) or len(box) != 4 or not all(map(_is_number, box)):
        return f"has the bbox {box!r}, which is not four finite numbers"
    if min(box[2:]) < 0:
        return f"has the bbox {box!r} with a negative side: it is x, y, width, height"
    return ""


def _is_number(value: Any) -> bool:
    return type(value) in (float, int) and -LARGEST_COORDINATE < value < LARGEST_COORDINATE
