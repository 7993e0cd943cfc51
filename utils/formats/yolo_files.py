"""Find the files of YOLO data: images, the label file of each image, and files that belong to none.

The labels of `images/train/a.jpg` are in `labels/train/a.txt` (the last folder named images is replaced), or
next to the image. Letter case does not matter in `images`, `labels` and `.txt`, nor in the file name if it is
the only difference.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path

from utils.data.notes import FILES_UNUSED, NO_LABEL_FILE, NoteTaker
from utils.images.headers import FOREIGN_SUFFIXES, IMAGE_SUFFIXES, image_key

LABEL_SUFFIX = ".txt"
CLASS_LIST = "classes"  # stem of the class list that labelImg writes into the label folder
# Labels of other tools; anything else, such as notes.md, is left alone.
FOREIGN_LABELS = (".xml", ".json")


def images_below(folder: Path) -> Iterator[str]:
    """Yield the absolute paths of the images in a folder, recursively, sorted, without hidden files."""
    for parent, folders, names in os.walk(folder.absolute()):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.lower().endswith(IMAGE_SUFFIXES) and not name.startswith("."):
                yield str(Path(parent, name))


def label_folder(folder: str) -> str:
    """Return the folder of the labels of the images in `folder`; `folder` itself if there is no other."""
    parts = Path(folder).parts
    for position in range(len(parts) - 1, -1, -1):
        if parts[position].lower() == "images":
            labels = _subfolder(Path(*parts[:position]), ("labels", *parts[position + 1 :]))
            return str(labels) if labels else folder
    return folder


def label_files(paths: Iterable[str]) -> Iterator[Path | None]:
    """Yield the label file of each image, or None if there is none; reads each directory once."""
    folders = cache(_LabelFolder)
    for path in paths:
        folder, name = os.path.split(path)
        yield folders(folder).label_file(name)


def note_unused(paths: Sequence[str], files: Sequence[Path | None], taker: NoteTaker) -> None:
    """Note images without a label file, and files in their folders that belong to no image."""
    for path, file in zip(paths, files, strict=True):
        if file is None:
            folder = label_folder(os.path.dirname(path))  # noqa: PTH120, a million paths
            taker.add(NO_LABEL_FILE, path, f"no {Path(path).stem}{LABEL_SUFFIX} in {folder}")
    folders = dict.fromkeys(os.path.dirname(path) for path in paths)  # noqa: PTH120
    for name in folders:
        _LabelFolder(name).note_unused(taker)


class _LabelFolder:
    """The label files of the images in one folder, found by file stem."""

    def __init__(self, images: str) -> None:
        self.images, self.labels = Path(images), Path(label_folder(images))
        names = _names_in(self.labels)
        # Sorted, a.txt comes after a.TXT and takes its place.
        texts = [name for name in names if name.lower().endswith(LABEL_SUFFIX)]
        self.by_stem = {image_key(name[: -len(LABEL_SUFFIX)]): name for name in texts}
        used = set(self.by_stem.values())
        self.others = [name for name in names if name not in used]
        self._by_case: dict[str, str] | None = None

    def label_file(self, image: str) -> Path | None:
        """Return the label file of an image."""
        stem = image_key(os.path.splitext(image)[0])  # noqa: PTH122, a million names
        name = self.by_stem.get(stem) or self._in_any_case().get(stem.casefold())
        return self.labels / name if name else None

    def _in_any_case(self) -> dict[str, str]:
        """Return the label files by stem in lower case that belong to no image as they are spelled."""
        if self._by_case is None:
            owned = {image_key(Path(name).stem) for name in self._image_names()}
            spare = [(stem.casefold(), name) for stem, name in self.by_stem.items() if stem not in owned]
            self._by_case = dict(spare) if len(dict(spare)) == len(spare) else {}
        return self._by_case

    def _image_names(self) -> list[str]:
        return [name for name in _names_in(self.images) if name.lower().endswith(IMAGE_SUFFIXES)]

    def note_unused(self, taker: NoteTaker) -> None:
        """Note label files without an image, images of other formats and labels of other tools."""
        stems = {image_key(Path(name).stem).casefold() for name in self._image_names()}
        apart = self.labels != self.images
        near = [] if apart else self.others
        for name in [*(_names_in(self.images) if apart else []), *near]:
            if name.lower().endswith(FOREIGN_SUFFIXES):
                taker.add(FILES_UNUSED, self.images / name, "an image format that cannot be read")
        for name in self.others:
            if name.lower().endswith(FOREIGN_LABELS):
                taker.add(FILES_UNUSED, self.labels / name, f"not a YOLO label file ({LABEL_SUFFIX})")
        for stem, name in self.by_stem.items():
            if stem.casefold() not in stems and stem != CLASS_LIST and (apart or self.labels_images):
                taker.add(FILES_UNUSED, self.labels / name, f"no image {stem}.* in {self.images}")

    @property
    def labels_images(self) -> bool:
        """Whether some text file is the label file of an image; next to images, texts may be anything."""
        return any(self.label_file(name) for name in self._image_names())


def _names_in(folder: Path) -> list[str]:
    if not folder.is_dir():
        return []
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if not entry.name.startswith("."))


def _subfolder(folder: Path, names: Sequence[str]) -> Path | None:
    """Return the folder below `folder` with these names, in any case where there is no exact one."""
    for name in names:
        exact = folder / name
        if not exact.is_dir():
            alike = [entry for entry in _names_in(folder) if entry.lower() == name.lower()]
            exact = next((folder / entry for entry in alike if (folder / entry).is_dir()), exact)
        if not exact.is_dir():
            return None
        folder = exact
    return folder
