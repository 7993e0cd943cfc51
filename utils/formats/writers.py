"""Write an index as VOC, COCO, YOLO or a list file, from which `read_data` reads the same index.

Each writer fills a new folder, and returns the spec of the data set in its final location.
"""

import json
from collections.abc import Callable, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np

from utils.data.index import DatasetIndex, with_paths
from utils.formats.list_file import write_list
from utils.formats.voc_xml import annotation_text
from utils.formats.yolo_yaml import write_yolo_yaml
from utils.system.files import write_text

DataFormat = Literal["voc", "coco", "yolo", "list"]
IMAGE_FOLDERS: dict[DataFormat, str] = {
    "voc": "JPEGImages",
    "coco": "images",
    "yolo": "images/{split}",
    "list": "images",
}


class Destination(NamedTuple):
    """Where a data set is written, and where its images are.

    folder  folder to fill
    final   final location of that folder
    split   name of the split
    images  final image folder
    names   image paths relative to the image folder
    """

    folder: Path
    final: Path
    split: str
    images: Path
    names: Sequence[str]

    @property
    def has_images(self) -> bool:
        """Whether the images are in the folder of the data set, not in their original location."""
        return self.images.is_relative_to(self.final)


def write_voc(index: DatasetIndex, destination: Destination) -> str:
    """Write `Annotations/*.xml`, and the image ids in `ImageSets/Main`; VOC has no crowds."""
    folder = destination.folder / "Annotations"
    folder.mkdir()
    for image_number, name in enumerate(destination.names):
        span = index.span(image_number)
        height, width = index.sizes[image_number].tolist()
        objects = [index.class_names[label] for label in index.labels[span].tolist()]
        text = annotation_text(name, (height, width), objects, index.boxes[span], index.difficult[span])
        (folder / f"{Path(name).stem}.xml").write_bytes(text.encode("utf-8"))
    if not destination.has_images:
        return f"{destination.final / 'Annotations'}:{destination.images}"
    stems = "".join(f"{Path(name).stem}\n" for name in destination.names)
    write_text(destination.folder / "ImageSets" / "Main" / f"{destination.split}.txt", stems)
    return f"{destination.final}:{destination.split}"


def write_coco(index: DatasetIndex, destination: Destination) -> str:
    """Write one JSON file; difficult objects are flagged by a non-standard key."""
    counts = np.diff(index.box_offsets)
    owners = np.repeat(np.arange(1, len(index) + 1), counts).tolist()
    content = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, (height, width)) in enumerate(
                zip(destination.names, index.sizes.tolist(), strict=True), 1
            )
        ],
        "annotations": [_annotation(index, row, owner) for row, owner in enumerate(owners)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(index.class_names, 1)],
    }
    write_text(
        destination.folder / f"{destination.split}.json", json.dumps(content, ensure_ascii=False) + "\n"
    )
    return f"{destination.final / destination.split}.json:{destination.images}"


def write_yolo(index: DatasetIndex, destination: Destination) -> str:
    """Write `data.yaml`, the image list, and a label file per image, with 15 digits."""
    folder = destination.folder / "labels" / destination.split
    folder.mkdir(parents=True)
    for image_number, name in enumerate(destination.names):
        text = "".join(_yolo_lines(index, image_number))
        (folder / f"{Path(name).stem}.txt").write_bytes(text.encode("utf-8"))
    if not destination.has_images:
        return f"{destination.final / 'labels' / destination.split}:{destination.images}"
    lines = "".join(f"./images/{destination.split}/{name}\n" for name in destination.names)
    write_text(destination.folder / f"{destination.split}.txt", lines)
    write_yolo_yaml(
        destination.folder / "data.yaml", index.class_names, {destination.split: f"{destination.split}.txt"}
    )
    return f"{destination.final / 'data.yaml'}:{destination.split}"


def write_list_data(index: DatasetIndex, destination: Destination) -> str:
    """Write a list file, which has no flags, areas or sizes."""
    paths = [str(destination.images / name) for name in destination.names]
    write_list(destination.folder / f"{destination.split}.txt", with_paths(index, paths))
    return str(destination.final / f"{destination.split}.txt")


WRITERS: dict[DataFormat, Callable[[DatasetIndex, Destination], str]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
    "list": write_list_data,
}


def _annotation(index: DatasetIndex, row: int, owner: int) -> dict[str, Any]:
    # The shortest text that reads back as the same float32: 0.1, not 0.10000000149.
    x1, y1, x2, y2 = (Decimal(str(value)) for value in index.boxes[row])
    entry: dict[str, Any] = {
        "id": row + 1,
        "image_id": owner,
        "category_id": int(index.labels[row]) + 1,
        "bbox": [_number(value) for value in (x1, y1, x2 - x1, y2 - y1)],
        "area": _number(Decimal(str(index.areas[row]))),
        "iscrowd": int(index.crowd[row]),
    }
    return {**entry, "difficult": 1} if index.difficult[row] else entry


def _number(value: Decimal) -> int | float:
    return int(value) if value == int(value) else float(value)


def _yolo_lines(index: DatasetIndex, image_number: int) -> list[str]:
    span = index.span(image_number)
    scale = np.tile(index.sizes[image_number, ::-1].astype(np.float64), 2)
    x1, y1, x2, y2 = (index.boxes[span].astype(np.float64) / scale).T
    rows = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1).tolist()
    return [
        " ".join([str(label), *(f"{value:.15g}" for value in row)]) + "\n"
        for label, row in zip(index.labels[span].tolist(), rows, strict=True)
    ]
