"""The flat index: all images and boxes of a data set as a few arrays.

Flat arrays rather than a list of objects, because workers then share them without copying: a million
Python objects cost gigabytes and are copied page by page as reference counts change.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np


@dataclass(frozen=True)
class ImageRecord:
    """One image and its boxes, as the readers give it. `size` is (height, width), (0, 0) if not known."""

    path: str
    boxes: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # xyxy pixels
    labels: np.ndarray = field(default_factory=lambda: np.zeros(0, np.int32))
    difficult: np.ndarray | None = None
    crowd: np.ndarray | None = None
    areas: np.ndarray | None = None  # COCO's object areas; the box areas where not given
    size: tuple[int, int] = (0, 0)


@dataclass(frozen=True)
class DatasetIndex:
    """All images and boxes of a data set.

    class_names   the classes; labels point into it
    path_bytes    uint8 [P], every path in UTF-8, one after the other
    path_offsets  int64 [N + 1], where each path starts
    sizes         int32 [N, 2], height and width; 0 where not known
    box_offsets   int64 [N + 1], where each image's boxes start
    boxes         float32 [M, 4], xyxy in pixels of the original image
    labels        int32 [M], 0-based
    difficult     bool [M], VOC: hard to see, not counted in evaluation
    crowd         bool [M], COCO: a group that is not one object
    areas         float32 [M], COCO's object areas in square pixels (box areas where not given)
    """

    class_names: tuple[str, ...]
    path_bytes: np.ndarray
    path_offsets: np.ndarray
    sizes: np.ndarray
    box_offsets: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    difficult: np.ndarray
    crowd: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.path_offsets) - 1

    def path(self, image: int) -> Path:
        """The file of image number `image`."""
        start, end = self.path_offsets[image], self.path_offsets[image + 1]
        return Path(self.path_bytes[start:end].tobytes().decode("utf-8"))

    def span(self, image: int) -> slice:
        """Which boxes, labels and flags belong to image number `image`."""
        return slice(int(self.box_offsets[image]), int(self.box_offsets[image + 1]))


def build_index(records: Iterable[ImageRecord], class_names: Sequence[str]) -> DatasetIndex:
    """Gather the readers' records into flat arrays, in their order."""
    paths: list[bytes] = []
    sizes: list[tuple[int, int]] = []
    counts: list[int] = []
    boxes: list[np.ndarray] = []
    labels: list[np.ndarray] = []
    difficult: list[np.ndarray] = []
    crowd: list[np.ndarray] = []
    areas: list[np.ndarray] = []
    for record in records:
        number = len(record.labels)
        assert record.boxes.shape == (number, 4), "one box for each label"
        paths.append(record.path.encode("utf-8"))
        sizes.append(record.size)
        counts.append(number)
        boxes.append(record.boxes)
        labels.append(record.labels)
        nothing = np.zeros(number, bool)
        difficult.append(nothing if record.difficult is None else record.difficult)
        crowd.append(nothing if record.crowd is None else record.crowd)
        box_areas = (record.boxes[:, 2] - record.boxes[:, 0]) * (record.boxes[:, 3] - record.boxes[:, 1])
        areas.append(box_areas if record.areas is None else record.areas)
    return DatasetIndex(
        class_names=tuple(class_names),
        path_bytes=np.frombuffer(b"".join(paths), np.uint8),
        path_offsets=_offsets([len(path) for path in paths]),
        sizes=np.array(sizes, np.int32).reshape(-1, 2),
        box_offsets=_offsets(counts),
        boxes=_joined(boxes, np.float32).reshape(-1, 4),
        labels=_joined(labels, np.int32),
        difficult=_joined(difficult, np.bool_),
        crowd=_joined(crowd, np.bool_),
        areas=_joined(areas, np.float32),
    )


def _offsets(counts: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(counts, dtype=np.int64)]).astype(np.int64)


def _joined(parts: Sequence[np.ndarray], dtype: type) -> np.ndarray:
    return np.concatenate([np.asarray(part, dtype) for part in parts]) if parts else np.zeros(0, dtype)
