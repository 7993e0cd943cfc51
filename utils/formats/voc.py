"""Read Pascal VOC folders (`Annotations/`, `JPEGImages/`, `ImageSets/Main/`) into the flat index.

Malformed files and boxes are skipped and reported, the others are kept. XML and images may also be in two
folders of any name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.data.class_names import names_to_paste, names_with_counts
from utils.data.index import DatasetIndex, ImageRecord, build_index
from utils.data.summary import Problem
from utils.data.types import Boxes, Size
from utils.formats.voc_xml import Annotation, read_annotation
from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, header_size, image_key
from utils.system.files import read_text

UNKNOWN_CLASS = "class not in the list"  # prefix of the reason


class VocFolder(NamedTuple):
    """An XML and an image folder, with file names by image id; the first of several files is used."""

    root: Path
    xml_folder: Path
    image_folder: Path
    annotations: dict[str, list[str]]
    images: dict[str, list[str]]


@dataclass(frozen=True)
class VocSplit:
    """One split, as read.

    index     valid images and boxes, with difficult ones flagged
    problems  faults, and whether the object or image was skipped
    found     class names in the XML of the split, with counts
    clipped   number of boxes that were clipped to the image
    """

    index: DatasetIndex
    problems: list[Problem]
    found: Counter[str]
    clipped: int

    @property
    def unknown_names(self) -> Counter[str]:
        """Class names in the XML that are not in the class list, with counts."""
        return Counter({name: n for name, n in self.found.items() if name not in self.index.class_names})


def open_voc(root: Path) -> VocFolder:
    """List the files of a VOC folder, such as `VOCdevkit/VOC2007`; ValueError if incomplete."""
    root = root.absolute()
    for part in ("Annotations", "JPEGImages"):
        if not (root / part).is_dir():
            raise ValueError(f"{root / part} does not exist: a VOC folder holds Annotations and JPEGImages")
    return _list_folders(root, root / "Annotations", root / "JPEGImages")


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


def read_voc(
    root: Path, split: str, class_names: Sequence[str] | None = None, *, empty_without_xml: bool = False
) -> VocSplit:
    """Read a split of a VOC folder.

    root               folder of a year, such as `VOCdevkit/VOC2007`
    class_names        class names, by label; None takes the names in the XML, sorted
    empty_without_xml  treat an image without XML as one without objects instead of skipping it
    """
    folder = open_voc(root)
    counts = Counter(read_ids(folder.root, split))
    problems = [
        Problem(f"{folder.root.name}/ImageSets/Main/{split}.txt", f"{name} is listed {count} times")
        for name, count in counts.items()
        if count > 1
    ]
    return _read(folder, counts, class_names, problems, empty_without_xml)


def read_voc_pair(annotations: Path, images: Path, class_names: Sequence[str] | None = None) -> VocSplit:
    """Read every XML file in one folder, with the image of the same name in another."""
    annotations = annotations.absolute()
    folder = _list_folders(annotations, annotations, images.absolute())
    return _read(folder, folder.annotations, class_names, [], empty_without_xml=False)


def _list_folders(root: Path, annotations: Path, images: Path) -> VocFolder:
    by_id = files_by_stem(annotations, (".xml",)), files_by_stem(images, IMAGE_SUFFIXES)
    return VocFolder(root, annotations, images, *by_id)


def _read(
    folder: VocFolder,
    ids: Iterable[str],
    class_names: Sequence[str] | None,
    problems: list[Problem],
    empty_without_xml: bool,
) -> VocSplit:
    entries: list[tuple[str, Path, Annotation]] = []
    for name in ids:
        try:
            entries.append((name, *_read_entry(folder, name, empty_without_xml)))
        except (ValueError, OSError) as error:
            problems.append(Problem(_xml_of(folder, name), f"{error}; image skipped"))
    found = Counter(name for _, _, annotation in entries for name in annotation.names)
    names = sorted(found) if class_names is None else class_names
    labels = {name: label for label, name in enumerate(names)}
    records, clipped = [], 0
    for name, path, annotation in entries:
        record, reasons, count = _record(path, annotation, labels)
        records += [record] if record else []
        problems += [Problem(_xml_of(folder, name), reason) for reason in reasons]
        clipped += count
    return VocSplit(build_index(records, names), problems, found, clipped)


def images_without_xml(folder: VocFolder) -> list[Problem]:
    """Return a problem per image without XML: images without objects should have XML files too."""
    return [
        Problem(_xml_of(folder, name), f"{_no_xml(folder, name)}; image skipped")
        for name in folder.images
        if name not in folder.annotations
    ]


def no_match_message(found: Mapping[str, int], classes: str) -> str:
    """Return the error message if no class name in the XML is in the class list `classes`."""
    return f"no object in the XML belongs to a class of {classes}. {names_to_paste(found)}"


def clip_boxes(boxes: Boxes, size: Size) -> tuple[Boxes, list[str]]:
    """Clip boxes to the image.

    Returns the clipped boxes and why each one is unusable ("" if it is usable).
    """
    height, width = size
    clipped = np.clip(boxes, 0, np.array([width, height, width, height], np.float32))
    faults = []
    for box, inside in zip(boxes.tolist(), clipped.tolist(), strict=True):
        text = ", ".join(f"{value:g}" for value in box)
        if box[2] < box[0] or box[3] < box[1]:
            faults.append(f"box {text} is inverted")
        elif box[2] == box[0] or box[3] == box[1]:
            faults.append(f"box {text} is empty")
        elif inside[2] <= inside[0] or inside[3] <= inside[1]:
            faults.append(f"box {text} is outside the image of {width}x{height}")
        else:
            faults.append("")
    return clipped, faults


def _xml_of(folder: VocFolder, name: str) -> str:
    file = folder.annotations.get(name, [name + ".xml"])[0]
    return f"{_short_name(folder.xml_folder)}/{file}"


def _short_name(folder: Path) -> str:
    return f"{folder.parent.name}/{folder.name}"


def _no_xml(folder: VocFolder, name: str) -> str:
    return f"no such XML for the image {folder.images[name][0]}"


def _read_entry(folder: VocFolder, name: str, empty_without_xml: bool) -> tuple[Path, Annotation]:
    if name not in folder.images:
        raise ValueError(f"no image {name}.* in {_short_name(folder.image_folder)}")
    path = folder.image_folder / folder.images[name][0]
    if name in folder.annotations:
        annotation = read_annotation(folder.xml_folder / folder.annotations[name][0])
    elif empty_without_xml:
        annotation = Annotation((0, 0), [], np.zeros((0, 4), np.float32), np.zeros(0, bool), [])
    else:
        raise ValueError(_no_xml(folder, name))
    if len(folder.images[name]) > 1:
        annotation.faults.append(f"several images, only the first is used: {', '.join(folder.images[name])}")
    return path, annotation


def _record(
    path: Path, annotation: Annotation, label_of: Mapping[str, int]
) -> tuple[ImageRecord | None, list[str], int]:
    """Return the record (None if the image is skipped), the faults, and the number of clipped boxes."""
    reasons = list(annotation.faults)
    unknown_names = Counter(name for name in annotation.names if name not in label_of)
    reasons += [f"{UNKNOWN_CLASS}: {names_with_counts(unknown_names)}"] if unknown_names else []
    labels = np.array([label_of.get(name, -1) for name in annotation.names], np.int32)
    known = labels >= 0
    boxes = annotation.boxes[known]
    try:
        size = _true_size(path, annotation.size, boxes)
    except ValueError as error:
        return None, [*reasons, f"{error}; image skipped"], 0
    if size != annotation.size and min(annotation.size) > 0:
        (height, width), (true_height, true_width) = annotation.size, size
        reasons.append(f"size {width}x{height} in the XML, {true_width}x{true_height} in the image")
    clipped, faults = clip_boxes(boxes, size)
    reasons += [fault for fault in faults if fault]
    sound = np.array([not fault for fault in faults], bool)
    record = ImageRecord(
        path=str(path),
        boxes=clipped[sound],
        labels=labels[known][sound],
        difficult=annotation.difficult[known][sound],
        size=size,
    )
    return record, reasons, int((clipped != boxes).any(axis=1)[sound].sum())


def _true_size(path: Path, stated: Size, boxes: Boxes) -> Size:
    """Return the size in the XML, or in the image header if it is missing or a box exceeds it."""
    height, width = stated
    exceeded = bool((boxes[:, 2] > width).any() or (boxes[:, 3] > height).any())
    return header_size(path) if min(stated) == 0 or exceeded else stated
