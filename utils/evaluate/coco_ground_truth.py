"""COCO instance annotations as ground truth, exactly as pycocotools reads them.

`utils/formats/coco.py` reads the same files for training, as float32 and without boxes that no network can
learn. Here nothing is rounded or dropped, so that the metrics equal those of pycocotools.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from warnings import warn

import numpy as np

from utils.data.boxes import xywh_to_xyxy
from utils.data.class_names import class_names_of
from utils.data.notes import NoteTaker, note_lines
from utils.evaluate.ground_truth import GroundTruth
from utils.formats.coco import YES, coco_areas, load_coco
from utils.formats.coco_entries import id_order, sound_entries


class CocoGroundTruth(NamedTuple):
    """Ground truth, and the ids that results refer to.

    rows        image id -> image index, sorted by id (the order breaks ties between equal scores)
    labels      category id -> label, sorted by id
    file_names  file names of the images, by image index
    """

    ground_truth: GroundTruth
    rows: Mapping[Any, int]
    labels: Mapping[Any, int]
    file_names: list[str]


def read_coco_ground_truth(path: Path) -> CocoGroundTruth:
    """Read a COCO instances JSON; crowds are ignored, and so are difficult objects, by a non-standard key.

    Raises ValueError if the file is not COCO JSON, or an annotation has an unknown image or category id.
    Boxes without area remain, as objects that are always missed; a warning gives their number.
    """
    taker = NoteTaker()
    entries = sound_entries(path, load_coco(path), taker, needs_files=False)
    for line in note_lines(taker.notes()):
        warn(f"{path}: {line}", stacklevel=2)
    images = sorted(entries.images, key=lambda image: id_order(image["id"]))
    categories = entries.categories
    rows = {image["id"]: row for row, image in enumerate(images)}
    labels = {category["id"]: label for label, category in enumerate(categories)}
    annotations = entries.annotations
    boxes = xywh_to_xyxy(entries.boxes)
    if not np.isfinite(boxes).all():
        raise ValueError(f"{path} has a box with a coordinate that is not a finite number")
    flat = int((boxes[:, 2:] <= boxes[:, :2]).any(axis=1).sum())
    if flat:
        warn(f"{path}: {flat} boxes have no area; they count as missed objects", stacklevel=3)
    ground_truth = GroundTruth(
        class_names=class_names_of([category["name"] for category in categories], path),
        num_images=len(images),
        image_numbers=np.array([rows[annotation["image_id"]] for annotation in annotations], np.int64),
        boxes=boxes,
        labels=np.array([labels[annotation["category_id"]] for annotation in annotations], np.int64),
        difficult=np.array([annotation.get("difficult", 0) in YES for annotation in annotations], bool),
        crowd=np.array([annotation.get("iscrowd", 0) in YES for annotation in annotations], bool),
        areas=coco_areas(annotations, entries.boxes),
    )
    return CocoGroundTruth(
        ground_truth, rows, labels, [str(image.get("file_name", image["id"])) for image in images]
    )
