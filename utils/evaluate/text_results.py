"""Read ground truth and detections from folders of text files, one per image, as classic mAP scripts do.

    ground-truth/ID.txt       class left top right bottom [difficult]
    detection-results/ID.txt  class score left top right bottom

Coordinates are pixels of the image; a class name may contain spaces.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area
from utils.data.class_names import class_name
from utils.data.index import LARGEST_COORDINATE
from utils.data.types import Labels
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.system.files import read_text

DIFFICULT = "difficult"
GROUND_TRUTH_LINE = "class left top right bottom [difficult]"
RESULT_LINE = "class score left top right bottom"


class TextBoxes(NamedTuple):
    """The lines of all files in a folder.

    folder         path of the folder
    ids            file names without extension, sorted
    image_numbers  int64 [K], index into `ids` of the file of each line
    names          class name of each line
    numbers        float64 [K, 4], left top right bottom, or [K, 5] with the score first
    difficult      bool [K]
    """

    folder: Path
    ids: list[str]
    image_numbers: np.ndarray
    names: list[str]
    numbers: np.ndarray
    difficult: np.ndarray


def read_text_boxes(folder: Path, with_scores: bool) -> TextBoxes:
    """Read the files of a folder; ValueError with file and line number for a malformed line."""
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ValueError(f"{folder.absolute()} has no .txt files: one per image is expected")
    count, form = (5, RESULT_LINE) if with_scores else (4, GROUND_TRUTH_LINE)
    image_numbers: list[int] = []
    names: list[str] = []
    numbers: list[list[float]] = []
    difficult: list[bool] = []
    for image_number, file in enumerate(files):
        for number, line in enumerate(read_text(file).split("\n"), 1):
            if not line or line.isspace():
                continue
            is_difficult = not with_scores and line.endswith(DIFFICULT)
            words = (line.removesuffix(DIFFICULT) if is_difficult else line).rsplit(maxsplit=count)
            where = f"{file}, line {number}"
            numbers.append(_numbers(words, count, where, form))
            names.append(_class_name(words[0], where))
            image_numbers.append(image_number)
            difficult.append(is_difficult)
    return TextBoxes(
        folder,
        [file.stem for file in files],
        np.array(image_numbers, np.int64),
        names,
        np.array(numbers, np.float64).reshape(-1, count),
        np.array(difficult, bool),
    )


def text_ground_truth(boxes: TextBoxes, class_names: Sequence[str]) -> GroundTruth:
    """Return the lines as ground truth, with images sorted by name."""
    return GroundTruth(
        class_names=tuple(class_names),
        num_images=len(boxes.ids),
        image_numbers=boxes.image_numbers,
        boxes=boxes.numbers,
        labels=_labels(boxes, class_names),
        difficult=boxes.difficult,
        crowd=np.zeros(len(boxes.image_numbers), bool),
        areas=box_area(boxes.numbers),
    )


def text_results(boxes: TextBoxes, rows: Mapping[str, int], class_names: Sequence[str]) -> FlatDetections:
    """Return the lines as detections; `rows` maps file names to image indices.

    ValueError for a file that belongs to no image, so that no detection is lost.
    """
    strange = [name for name in boxes.ids if name not in rows]
    if strange:
        raise ValueError(
            f"{boxes.folder / strange[0]}.txt belongs to no image of the ground truth, whose first is "
            f"{next(iter(rows), 'missing')}; so do {len(strange)} of {len(boxes.ids)} files"
        )
    return FlatDetections(
        image_numbers=np.array([rows[name] for name in boxes.ids], np.int64)[boxes.image_numbers],
        boxes=boxes.numbers[:, 1:],
        scores=boxes.numbers[:, 0],
        labels=_labels(boxes, class_names),
    )


def _class_name(text: str, where: str) -> str:
    try:
        return class_name(text)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _numbers(words: Sequence[str], count: int, where: str, form: str) -> list[float]:
    try:
        numbers = [*map(float, words[1:])]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{where}: expected `{form}`, found `{' '.join(words)}`")
    if not all(-LARGEST_COORDINATE < number < LARGEST_COORDINATE for number in numbers):
        raise ValueError(f"{where}: not all of {' '.join(words[1:])} are finite numbers of pixels or a score")
    if numbers[-2] < numbers[-4] or numbers[-1] < numbers[-3]:
        raise ValueError(f"{where}: the box {' '.join(words[-4:])} is inverted: it is left top right bottom")
    return numbers


def _labels(boxes: TextBoxes, class_names: Sequence[str]) -> Labels:
    label_of = {name: label for label, name in enumerate(class_names)}
    strange = sorted(set(boxes.names) - label_of.keys())
    if strange:
        raise ValueError(
            f"{boxes.folder} has the classes {', '.join(strange[:10])}, which are neither in the ground "
            "truth nor in --classes"
        )
    return np.array([label_of[name] for name in boxes.names], np.int64)
