"""Ground truth and detections written to files, with every digit, for other programs and for later."""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.data.boxes import xyxy_to_xywh
from utils.evaluate.ground_truth import FlatDetections, GroundTruth
from utils.evaluate.text_results import DIFFICULT
from utils.images.output_names import output_names
from utils.system.files import write_text

FOLDERS = ("ground-truth", "detection-results")


def write_coco_truth(path: Path, truth: GroundTruth, names: Sequence[str]) -> None:
    """Write a COCO annotation file; image ids are image numbers, category ids labels, both from 1.

    names  of the images' files. The flag of difficult objects is a key of our own.
    """
    boxes = xyxy_to_xywh(truth.boxes)
    columns = zip(truth.image, truth.labels, boxes, truth.areas, truth.crowd, truth.difficult, strict=True)
    content = {
        "images": [{"id": number, "file_name": name} for number, name in enumerate(names, 1)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(truth.class_names, 1)],
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
    write_text(path, json.dumps(content, ensure_ascii=False) + "\n")


def write_coco_results(path: Path, found: FlatDetections) -> None:
    """Write a COCO result file for that annotation file."""
    columns = zip(found.image, found.labels, xyxy_to_xywh(found.boxes), found.scores, strict=True)
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


def write_text_folders(folder: Path, truth: GroundTruth, found: FlatDetections, names: Sequence[str]) -> None:
    """Write `ground-truth/` and `detection-results/`, a text file for each image in both.

    They are called after the images' files; no two alike. Crowds are written as difficult: they too count
    neither way. ValueError if other text files are in these folders: they would be read with them.
    """
    files = [f"{name}.txt" for name in output_names([Path(name) for name in names])]
    for kind in FOLDERS:
        others = {file.name for file in (folder / kind).glob("*.txt")} - set(files)
        if others:
            raise ValueError(
                f"{folder / kind} holds text files of other images, {min(others)} for example: "
                "choose another --output, or remove them"
            )
    flags = [f" {DIFFICULT}" if flag else "" for flag in truth.difficult | truth.crowd]
    objects = [
        f"{truth.class_names[label]} {_numbers(box)}{flag}\n"
        for label, box, flag in zip(truth.labels, truth.boxes, flags, strict=True)
    ]
    detections = [
        f"{truth.class_names[label]} {float(score)!r} {_numbers(box)}\n"
        for label, score, box in zip(found.labels, found.scores, found.boxes, strict=True)
    ]
    for kind, image, lines in zip(FOLDERS, (truth.image, found.image), (objects, detections), strict=True):
        texts = [""] * truth.num_images
        for number, line in zip(image.tolist(), lines, strict=True):
            texts[number] += line
        for file, text in zip(files, texts, strict=True):
            write_text(folder / kind / file, text)


def _numbers(box: np.ndarray) -> str:
    return " ".join(map(repr, box.tolist()))
