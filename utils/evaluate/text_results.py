"""Ground truth and detections as folders of text files, one an image, as the classic mAP scripts have them.

    ground-truth/ID.txt       class left top right bottom [difficult]
    detection-results/ID.txt  class score left top right bottom

Pixels of the image; a class name may hold spaces.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.boxes import area
from utils.data.index import LARGEST
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.system.files import read_text

DIFFICULT = "difficult"
TRUTH_LINE = "class left top right bottom [difficult]"
RESULT_LINE = "class score left top right bottom"


class TextBoxes(NamedTuple):
    """The lines of all files of a folder.

    folder     where they are
    ids        the names of the files without extension, in order
    owner      int64 [K], which file each line is of
    names      the class of each line
    numbers    float64 [K, 4], left top right bottom, or [K, 5] with the score before
    difficult  bool [K]
    """

    folder: Path
    ids: list[str]
    owner: np.ndarray
    names: list[str]
    numbers: np.ndarray
    difficult: np.ndarray


def read_text_boxes(folder: Path, with_scores: bool) -> TextBoxes:
    """Read the files of a folder; ValueError, which names file and line, for what cannot be read."""
    files = sorted(folder.glob("*.txt"))
    if not files:
        raise ValueError(f"{folder.absolute()} holds no .txt files: one an image is expected")
    count, form = (5, RESULT_LINE) if with_scores else (4, TRUTH_LINE)
    owner: list[int] = []
    names: list[str] = []
    numbers: list[list[float]] = []
    difficult: list[bool] = []
    for image, file in enumerate(files):
        for number, line in enumerate(read_text(file).split("\n"), 1):
            if not line or line.isspace():
                continue
            is_difficult = not with_scores and line.endswith(DIFFICULT)
            words = (
                line.removesuffix(DIFFICULT).rsplit(maxsplit=count)
                if is_difficult
                else (line.rsplit(maxsplit=count))
            )
            numbers.append(_numbers(words, count, f"{file}, line {number}", form))
            names.append(words[0].strip())
            owner.append(image)
            difficult.append(is_difficult)
    return TextBoxes(
        folder,
        [file.stem for file in files],
        np.array(owner, np.int64),
        names,
        np.array(numbers, np.float64).reshape(-1, count),
        np.array(difficult, bool),
    )


def text_truth(boxes: TextBoxes, class_names: Sequence[str]) -> GroundTruth:
    """Those lines as objects; images are in the order of their names."""
    return GroundTruth(
        class_names=tuple(class_names),
        num_images=len(boxes.ids),
        image=boxes.owner,
        boxes=boxes.numbers,
        labels=_labels(boxes, class_names),
        difficult=boxes.difficult,
        crowd=np.zeros(len(boxes.owner), bool),
        areas=area(boxes.numbers),
    )


def text_results(boxes: TextBoxes, rows: Mapping[str, int], class_names: Sequence[str]) -> FlatDetections:
    """Those lines as detections; `rows` says which image each file name is.

    ValueError for a file that belongs to no image, so that none is lost.
    """
    strange = [name for name in boxes.ids if name not in rows]
    if strange:
        raise ValueError(
            f"{boxes.folder / strange[0]}.txt belongs to no image of the ground truth, whose first is "
            f"{next(iter(rows), 'missing')}; so do {len(strange)} of {len(boxes.ids)} files"
        )
    image = np.array([rows[name] for name in boxes.ids], np.int64)[boxes.owner]
    return FlatDetections(image, boxes.numbers[:, 1:], boxes.numbers[:, 0], _labels(boxes, class_names))


def _numbers(words: Sequence[str], count: int, where: str, form: str) -> list[float]:
    try:
        numbers = [*map(float, words[1:])]
    except ValueError:
        numbers = []
    if len(numbers) != count:
        raise ValueError(f"{where}: expected `{form}`, found `{' '.join(words)}`")
    if not all(-LARGEST < number < LARGEST for number in numbers):
        raise ValueError(f"{where}: not all of {' '.join(words[1:])} are finite numbers of pixels or a score")
    if numbers[-2] < numbers[-4] or numbers[-1] < numbers[-3]:
        raise ValueError(f"{where}: the box {' '.join(words[-4:])} is inverted: it is left top right bottom")
    return numbers


def _labels(boxes: TextBoxes, class_names: Sequence[str]) -> np.ndarray:
    label_of = {name: label for label, name in enumerate(class_names)}
    strange = sorted(set(boxes.names) - label_of.keys())
    if strange:
        raise ValueError(
            f"{boxes.folder} has the classes {', '.join(strange[:10])}, which are not among those of "
            "the ground truth or of --classes"
        )
    return np.array([label_of[name] for name in boxes.names], np.int64)
