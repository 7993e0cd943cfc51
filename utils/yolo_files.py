"""Which pictures a YOLO data set has, and which label file belongs to each.

The labels of `images/train/a.jpg` are `labels/train/a.txt`, where the last folder called images counts, or
lie beside the picture.
"""

import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from utils.image_files import IMAGE_SUFFIXES


def pictures_below(folder: Path) -> Iterator[str]:
    """Absolute paths of the pictures in a folder and below it, sorted; what is hidden is left out."""
    for parent, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield str(Path(parent, name))


def label_folder(folder: str) -> str:
    """Where the labels of the pictures in `folder` lie: beside them if there is no folder of labels."""
    before, images, after = f"{folder}{os.sep}".rpartition(f"{os.sep}images{os.sep}")
    labels = f"{before}{os.sep}labels{os.sep}{after}".removesuffix(os.sep)
    return labels if images and Path(labels).is_dir() else folder


def label_files(images: Iterable[str]) -> Iterator[Path | None]:
    """The label file of each picture, None where there is none; found by one listing a folder."""
    known: dict[str, tuple[str, frozenset[str]]] = {}
    for image in images:
        folder, name = os.path.split(image)
        if folder not in known:
            labels = Path(label_folder(folder))
            there = labels.iterdir() if labels.is_dir() else ()
            known[folder] = str(labels), frozenset(path.name for path in there)
        labels_folder, names = known[folder]
        text = f"{Path(name).stem}.txt"
        yield Path(labels_folder, text) if text in names else None
