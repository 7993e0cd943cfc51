"""Write ground truth and detections to files, in full precision, for other programs and later evaluation."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.data.boxes import xyxy_to_xywh
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.text_results import DIFFICULT
from utils.images.output_names import output_names
from utils.system.files import NOT_UTF8, write_text

FOLDERS = ("ground-truth", "detection-results")


def write_coco_ground_truth(path: Path, ground_truth: GroundTruth, names: Sequence[str]) -> None:
    """Write a COCO annotation file; image and category ids are image indices and labels plus 1.

    names  file names of the images. Difficult objects are flagged by a non-standard key.
    """
    boxes = xyxy_to_xywh(ground_truth.boxes)
    columns = zip(
        ground_truth.image_numbers,
        ground_truth.labels,
        boxes,
        ground_truth.areas,
        ground_truth.crowd,
        ground_truth.difficult,
        strict=True,
    )
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names, 1)],
        "categories": [
            {"id": number, "name": name} for number, name in enumerate(ground_truth.class_names, 1)
        ],
        "annotations": [
            {
                "id": number,
                "image_id": int(image) + 1,
                "category_id": int(label) + 1,
                "bbox": box.tolist(),
                "area": float(area),
                "iscrowd": int(crowd),
                "difficult": int(difficult),
            }
            for number, (image, label, box, area, crowd, difficult) in enumerate(columns, 1)
        ],
    }
    write_text(path, json.dumps(content, ensure_ascii=False) + "\n", errors=NOT_UTF8)


def write_coco_results(path: Path, found: FlatDetections) -> None:
    """Write a COCO result file that fits the file of `write_coco_ground_truth`."""
    columns = zip(found.image_numbers, found.labels, xyxy_to_xywh(found.boxes), found.scores, strict=True)
    content = [
        {
            "image_id": int(image) + 1,
            "category_id": int(label) + 1,
            "bbox": box.tolist(),
            "score": float(score),
        }
        for image, label, box, score in columns
    ]
    write_text(path, json.dumps(content) + "\n")


def write_text_folders(
    folder: Path, ground_truth: GroundTruth, found: FlatDetections, names: Sequence[str]
) -> None:
    """Write `ground-truth/` and `detection-results/`, with one text file per image in each.

    The files get the names of the images, made unique. Crowds are written as difficult: both are ignored.
    ValueError if these folders hold text files of other images, which would be read as well.
    """
    files = [f"{name}.txt" for name in output_names([Path(name) for name in names])]
    for kind in FOLDERS:
        others = {file.name for file in (folder / kind).glob("*.txt")} - set(files)
        if others:
            raise ValueError(
                f"{folder / kind} holds text files of other images, for example {min(others)}: "
                "choose another --output, or remove them"
            )
    flags = [f" {DIFFICULT}" if flag else "" for flag in ground_truth.difficult | ground_truth.crowd]
    objects = [
        f"{ground_truth.class_names[label]} {_numbers(box)}{flag}\n"
        for label, box, flag in zip(ground_truth.labels, ground_truth.boxes, flags, strict=True)
    ]
    detections = [
        f"{ground_truth.class_names[label]} {float(score)!r} {_numbers(box)}\n"
        for label, score, box in zip(found.labels, found.scores, found.boxes, strict=True)
    ]
    for kind, image_numbers, lines in zip(
        FOLDERS, (ground_truth.image_numbers, found.image_numbers), (objects, detections), strict=True
    ):
        texts = [""] * ground_truth.num_images
        for number, line in zip(image_numbers.tolist(), lines, strict=True):
            texts[number] += line
        for file, text in zip(files, texts, strict=True):
            write_text(folder / kind / file, text)


def _numbers(box: np.ndarray) -> str:
    return " ".join(map(repr, box.tolist()))
