"""What was found on many pictures, as files: names that never collide, text, JSON, crops and counts."""

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.detections import Detections
from utils.drawing import save_image
from utils.text_file import write_text


def output_names(paths: Sequence[Path]) -> list[str]:
    """A file name without extension for the results of each picture, no two alike.

    It is the picture's own stem where no other picture has it: `x`. Else the folders that tell them apart
    come before it, `a_x` and `b_x`, and the extension after it, `x_jpg` and `x_png`. Names depend only on
    the set of paths, not on their order. Names differ by more than case, for file systems that ignore it.
    """
    folder = _common_folder(paths)
    choices = [_choices(path, folder) for path in paths]
    level = [0] * len(paths)
    while True:
        names = [options[index] for options, index in zip(choices, level, strict=True)]
        times = Counter(map(_key, names))
        alike = [
            k for k, name in enumerate(names) if times[_key(name)] > 1 and level[k] + 1 < len(choices[k])
        ]
        if not alike:
            return _numbered(names, paths)
        for k in alike:
            level[k] += 1


def _common_folder(paths: Sequence[Path]) -> str:
    try:
        return os.path.commonpath([path.absolute().parent for path in paths]) if paths else ""
    except ValueError:  # several Windows drives
        return ""


def _choices(path: Path, folder: str) -> list[str]:
    """Names for one picture, from short to certain."""
    absolute = path.absolute()
    below = absolute.relative_to(folder) if folder else absolute
    parts = [part for part in below.parent.parts if part != absolute.anchor]
    long = "_".join([*parts, path.stem])
    return [path.stem, long, f"{long}_{path.suffix[1:]}"]


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _numbered(names: list[str], paths: Sequence[Path]) -> list[str]:
    """A number after whatever names are still alike."""
    taken: set[str] = set(map(_key, names))
    seen: set[str] = set()
    unique = list(names)
    for k in sorted(range(len(names)), key=lambda k: str(paths[k])):
        number = 2
        if _key(names[k]) in seen:
            while _key(unique[k]) in taken:
                unique[k] = f"{names[k]}-{number}"
                number += 1
            taken.add(_key(unique[k]))
        seen.add(_key(names[k]))
    return unique


def save_text(path: Path, detections: Detections, class_names: Sequence[str]) -> None:
    """One detection a line: `class score left top right bottom`, every digit kept, in pixels.

    A class name may hold spaces: read the five numbers from the right.
    """
    lines = []
    for box, score, label in zip(detections.boxes, detections.scores, detections.labels, strict=True):
        numbers = " ".join(np.format_float_positional(value, trim="-") for value in (score, *box))
        lines.append(f"{class_names[label]} {numbers}\n")
    write_text(path, "".join(lines))


def results_json(
    paths: Sequence[Path], detections: Sequence[Detections], class_names: Sequence[str]
) -> list[dict[str, object]]:
    """All detections in COCO's result format with names: image, category, bbox [x, y, w, h], score."""
    results: list[dict[str, object]] = []
    for path, found in zip(paths, detections, strict=True):
        bboxes = corner_and_sides(found.boxes.astype(np.float64)).tolist()
        for bbox, score, label in zip(bboxes, found.scores.tolist(), found.labels, strict=True):
            results.append({"image": str(path), "category": class_names[label], "bbox": bbox, "score": score})
    return results


def corner_and_sides(boxes: np.ndarray) -> np.ndarray:
    """Boxes xyxy [N, 4] as COCO's x, y, width, height."""
    return np.concatenate([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]], 1)


def save_json(path: Path, results: Sequence[dict[str, object]]) -> None:
    """Write the results as a JSON list, one detection a line."""
    lines = ",\n".join(json.dumps(result, ensure_ascii=False) for result in results)
    write_text(path, f"[\n{lines}\n]\n")


def save_crops(
    folder: Path, name: str, image: np.ndarray, detections: Detections, class_names: Sequence[str]
) -> list[Path]:
    """Save what is within each box as `folder/<class>/<name>_<index>.jpg`; returns the files written.

    `image` is RGB uint8 [H, W, 3], `name` one of `output_names`, the index that of the detection. A box
    that covers no pixel of the picture is left out.
    """
    height, width = image.shape[:2]
    written = []
    for index, (box, label) in enumerate(zip(detections.boxes, detections.labels, strict=True)):
        left, top = np.floor(np.maximum(box[:2], 0)).astype(int)
        right, bottom = np.ceil(np.minimum(box[2:], [width, height])).astype(int)
        if right > left and bottom > top:
            path = folder / safe_file_name(class_names[label]) / f"{name}_{index:03d}.jpg"
            save_image(path, image[top:bottom, left:right])
            written.append(path)
    return written


def safe_file_name(text: str) -> str:
    """The text with what no system allows in a file name replaced by underscores."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", text).strip(" .") or "_"


def count_classes(detections: Sequence[Detections], class_names: Sequence[str]) -> dict[str, int]:
    """How many of each class were found in all, in the order of the classes; those not found left out."""
    labels = np.concatenate([np.zeros(0, np.int64), *(found.labels for found in detections)])
    numbers = np.bincount(labels, minlength=len(class_names))
    return {name: int(number) for name, number in zip(class_names, numbers, strict=True) if number}
