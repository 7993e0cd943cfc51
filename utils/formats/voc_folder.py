"""Find the files of a Pascal VOC folder, and the image ids of its splits (`ImageSets/Main`)."""

import re
from collections.abc import Container
from pathlib import Path
from typing import NamedTuple

from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, image_key
from utils.system.files import read_text


class VocFolder(NamedTuple):
    """An XML and an image folder, with file names by image id; the first of several files is used."""

    root: Path
    xml_folder: Path
    image_folder: Path
    annotations: dict[str, list[str]]
    images: dict[str, list[str]]


def open_voc(root: Path) -> VocFolder:
    """List the files of a VOC folder, such as `VOCdevkit/VOC2007`; ValueError if incomplete."""
    root = root.absolute()
    for part in ("Annotations", "JPEGImages"):
        if not (root / part).is_dir():
            raise ValueError(f"{root / part} does not exist: a VOC folder holds Annotations and JPEGImages")
    return list_folders(root, root / "Annotations", root / "JPEGImages")


def split_names(root: Path) -> list[str]:
    """Return the names of the splits in `ImageSets/Main`, sorted."""
    return sorted(path.stem for path in (root / "ImageSets" / "Main").glob("*.txt"))


def read_ids(root: Path, split: str) -> list[str]:
    """Return the image ids of a split, in order: one per line of its file, dots and spaces allowed."""
    path = root / "ImageSets" / "Main" / f"{split}.txt"
    if not path.is_file():
        found = ", ".join(split_names(root)) or "none"
        raise ValueError(
            f"{path.absolute()} does not exist (splits found: {found}). "
            f"python voc_annotation.py --mode split makes train, val, trainval and test"
        )
    return [image_key(line.strip()) for line in read_text(path).split("\n") if line.strip()]


def known_id(line: str, images: Container[str]) -> str:
    """Return the id in a line of a split that is among the ids of the images; the line if there is none.

    Some tools write file names, with a suffix or a folder, and VOC's own lists per class have a second column
    (1, 0 or -1).
    """
    if line in images:
        return line
    first = re.sub(r"\s+-?[01]$", "", line)
    name = re.split(r"[/\\]", first)[-1]
    stem = name.rpartition(".")[0] if name.lower().endswith((*IMAGE_SUFFIXES, ".xml")) else name
    return next((known for known in (first, name, stem) if known in images), line)


def list_folders(root: Path, annotations: Path, images: Path) -> VocFolder:
    """List the files of an XML and an image folder of any name; `root` is for messages."""
    by_id = files_by_stem(annotations, (".xml",)), files_by_stem(images, IMAGE_SUFFIXES)
    return VocFolder(root, annotations, images, *by_id)
