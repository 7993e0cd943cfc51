"""COCO instance annotations as ground truth, exactly as pycocotools reads them.

`utils/formats/coco.py` reads the same files for training, as float32 and without boxes that no network can
learn. Here nothing is rounded or dropped, so that the metrics equal those of pycocotools.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple
from warnings import warn

import numpy as np

from utils.evaluate.ground_truth import GroundTruth
from utils.formats.coco import checked_names, coco_areas, coco_boxes, load_coco, refuse_unknown_ids


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
    content = load_coco(path)
    try:
        return _read(path, content)
    except (KeyError, TypeError, AttributeError, OverflowError) as error:
        reason = f"an entry lacks {error}" if isinstance(error, KeyError) else str(error)
        raise ValueError(f"{path} does not follow the COCO format: {reason}") from None


def _read(path: Path, content: dict[str, Any]) -> CocoGroundTruth:
    images = sorted(content["images"], key=lambda image: image["id"])
    categories = sorted(content["categories"], key=lambda category: category["id"])
    rows = {image["id"]: row for row, image in enumerate(images)}
    labels = {category["id"]: label for label, category in enumerate(categories)}
    if len(rows) < len(images):
        raise ValueError(f"{path} uses an image id twice")
    annotations = content["annotations"]
    refuse_unknown_ids(path, annotations, "image_id", rows)
    refuse_unknown_ids(path, annotations, "category_id", labels)
    boxes = coco_boxes(annotations)
    if not np.isfinite(boxes).all():
        raise ValueError(f"{path} has a box with a coordinate that is not a finite number")
    flat = int((boxes[:, 2:] <= boxes[:, :2]).any(axis=1).sum())
    if flat:
        warn(f"{path}: {flat} boxes have no area; they count as missed objects", stacklevel=3)
    ground_truth = GroundTruth(
        class_names=checked_names(path, [str(category["name"]) for category in categories]),
        num_images=len(images),
        image_numbers=np.array([rows[annotation["image_id"]] for annotation in annotations], np.int64),
        boxes=boxes,
        labels=np.array([labels[annotation["category_id"]] for annotation in annotations], np.int64),
        difficult=np.array([bool(annotation.get("difficult", 0)) for annotation in annotations], bool),
        crowd=np.array([bool(annotation.get("iscrowd", 0)) for annotation in annotations], bool),
        areas=coco_areas(annotations),
    )
    return CocoGroundTruth(
        ground_truth, rows, labels, [str(image.get("file_name", image["id"])) for image in images]
    )
