"""Writing an index as VOC, COCO, YOLO or a list, so that `read_data` reads the same index from it.

Each writer fills a new folder and returns the spec by which the data set is read once that is in its place.
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

    folder  the folder to fill
    final   where that folder will be
    split   the name of the split
    images  the folder of the images, once all is in its place
    names   what the images are called in it, relative, one for each of the index
    """

    folder: Path
    final: Path
    split: str
    images: Path
    names: Sequence[str]

    @property
    def has_images(self) -> bool:
        """Whether the images are in the data set's folder, rather than left where they were."""
        return self.images.is_relative_to(self.final)


def write_voc(index: DatasetIndex, place: Destination) -> str:
    """`Annotations/*.xml`, and the names of the images in `ImageSets/Main`; crowds have no place in it."""
    folder = place.folder / "Annotations"
    folder.mkdir()
    for image, name in enumerate(place.names):
        span = index.span(image)
        height, width = index.sizes[image].tolist()
        objects = [index.class_names[label] for label in index.labels[span].tolist()]
        text = annotation_text(name, (height, width), objects, index.boxes[span], index.difficult[span])
        (folder / f"{Path(name).stem}.xml").write_bytes(text.encode("utf-8"))
    if not place.has_images:
        return f"{place.final / 'Annotations'}:{place.images}"
    stems = "".join(f"{Path(name).stem}\n" for name in place.names)
    write_text(place.folder / "ImageSets" / "Main" / f"{place.split}.txt", stems)
    return f"{place.final}:{place.split}"


def write_coco(index: DatasetIndex, place: Destination) -> str:
    """One JSON file; objects that are difficult get a key of our own that says so."""
    counts = np.diff(index.box_offsets)
    owners = np.repeat(np.arange(1, len(index) + 1), counts).tolist()
    content = {
        "images": [
            {"id": number, "file_name": name, "width": width, "height": height}
            for number, (name, (height, width)) in enumerate(
                zip(place.names, index.sizes.tolist(), strict=True), 1
            )
        ],
        "annotations": [_annotation(index, row, owner) for row, owner in enumerate(owners)],
        "categories": [{"id": number, "name": name} for number, name in enumerate(index.class_names, 1)],
    }
    write_text(place.folder / f"{place.split}.json", json.dumps(content, ensure_ascii=False) + "\n")
    return f"{place.final / place.split}.json:{place.images}"


def write_yolo(index: DatasetIndex, place: Destination) -> str:
    """`data.yaml`, the list of the images, and a text file of labels for each: fractions of 15 digits."""
    folder = place.folder / "labels" / place.split
    folder.mkdir(parents=True)
    for image, name in enumerate(place.names):
        text = "".join(_yolo_lines(index, image))
        (folder / f"{Path(name).stem}.txt").write_bytes(text.encode("utf-8"))
    if not place.has_images:
        return f"{place.final / 'labels' / place.split}:{place.images}"
    lines = "".join(f"./images/{place.split}/{name}\n" for name in place.names)
    write_text(place.folder / f"{place.split}.txt", lines)
    write_yolo_yaml(place.folder / "data.yaml", index.class_names, {place.split: f"{place.split}.txt"})
    return f"{place.final / 'data.yaml'}:{place.split}"


def write_list_data(index: DatasetIndex, place: Destination) -> str:
    """A list file; flags, areas and sizes have no place in it."""
    paths = [str(place.images / name) for name in place.names]
    write_list(place.folder / f"{place.split}.txt", with_paths(index, paths))
    return str(place.final / f"{place.split}.txt")


WRITERS: dict[DataFormat, Callable[[DatasetIndex, Destination], str]] = {
    "voc": write_voc,
    "coco": write_coco,
    "yolo": write_yolo,
    "list": write_list_data,
}


def _annotation(index: DatasetIndex, row: int, owner: int) -> dict[str, Any]:
    # From the shortest text of each float32: 0.1 and not 0.10000000149, and still the same float32 when read.
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


def _yolo_lines(index: DatasetIndex, image: int) -> list[str]:
    span = index.span(image)
    scale = np.tile(index.sizes[image, ::-1].astype(np.float64), 2)
    x1, y1, x2, y2 = (index.boxes[span].astype(np.float64) / scale).T
    rows = np.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], axis=1).tolist()
    return [
        " ".join([str(label), *(f"{value:.15g}" for value in row)]) + "\n"
        for label, row in zip(index.labels[span].tolist(), rows, strict=True)
    ]
