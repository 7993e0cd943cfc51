"""Read Pascal VOC folders (`Annotations/`, `JPEGImages/`, `ImageSets/Main/`) into the flat index.

Malformed files and boxes are skipped and reported, the others are kept. XML and images may also be in two
folders of any name.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from utils.data.class_names import names_to_paste, names_with_counts
from utils.data.index import DatasetIndex, ImageRecord, build_index, join_arrays
from utils.data.notes import (
    CLIPPED,
    FILES_UNUSED,
    IMAGES_REPEATED,
    IMAGES_SKIPPED,
    OBJECTS_SKIPPED,
    OTHER_CLASSES,
    REPAIRED,
    NoteTaker,
    Problem,
    count_of,
    counts_by_subject,
    problems_of,
)
from utils.data.types import Boxes, Size
from utils.formats.plausible import refuse_fractions
from utils.formats.voc_folder import VocFolder, known_id, list_folders, open_voc, read_ids
from utils.formats.voc_xml import Annotation, read_annotation
from utils.images.headers import FOREIGN_SUFFIXES, files_by_stem, header_size

UNKNOWN_CLASS = "class not in the list"  # prefix of the reason


@dataclass(frozen=True)
class VocSplit:
    """One split, as read.

    index  valid images and boxes, with difficult ones flagged; its notes tell what was skipped
    found  class names in the XML of the split, with counts
    """

    index: DatasetIndex
    found: Counter[str]

    @property
    def problems(self) -> list[Problem]:
        """Faults, and whether the object or image was skipped; the names of other classes last."""
        kinds = (IMAGES_REPEATED, IMAGES_SKIPPED, OBJECTS_SKIPPED, REPAIRED, FILES_UNUSED)
        return problems_of(self.index.notes, kinds) + problems_of(self.index.notes, [OTHER_CLASSES])

    @property
    def clipped(self) -> int:
        """Number of boxes that were clipped to the image."""
        return count_of(self.index.notes, CLIPPED)

    @property
    def unknown_names(self) -> Counter[str]:
        """Class names in the XML that are not in the class list, with counts."""
        return Counter(counts_by_subject(self.index.notes, OTHER_CLASSES))


def read_voc(
    root: Path, split: str, class_names: Sequence[str] | None = None, *, empty_without_xml: bool = False
) -> VocSplit:
    """Read a split of a VOC folder.

    root               folder of a year, such as `VOCdevkit/VOC2007`
    class_names        class names, by label; None takes the names in the XML, sorted
    empty_without_xml  treat an image without XML as one without objects instead of skipping it
    """
    folder, taker = open_voc(root), NoteTaker()
    counts = Counter(known_id(line, folder.images) for line in read_ids(folder.root, split))
    for name, count in counts.items():
        if count > 1:
            file = f"{folder.root.name}/ImageSets/Main/{split}.txt"
            taker.add(IMAGES_REPEATED, file, f"{name} is listed {count} times", count=count - 1)
    return _read(folder, counts, class_names, taker, empty_without_xml)


def read_voc_pair(annotations: Path, images: Path, class_names: Sequence[str] | None = None) -> VocSplit:
    """Read every XML file in one folder, with the image of the same name in another."""
    annotations, taker = annotations.absolute(), NoteTaker()
    folder = list_folders(annotations, annotations, images.absolute())
    for problem in images_without_xml(folder):
        taker.add(IMAGES_SKIPPED, *problem)
    for names in files_by_stem(annotations, (".txt", ".json")).values():
        taker.add(FILES_UNUSED, annotations / names[0], "not XML, which the other labels of the folder are")
    return _read(folder, folder.annotations, class_names, taker, empty_without_xml=False)


def _read(
    folder: VocFolder,
    ids: Iterable[str],
    class_names: Sequence[str] | None,
    taker: NoteTaker,
    empty_without_xml: bool,
) -> VocSplit:
    entries: list[tuple[str, Path, Annotation]] = []
    for name in ids:
        try:
            entries.append((name, *_read_entry(folder, name, empty_without_xml)))
        except (ValueError, OSError) as error:
            taker.add(IMAGES_SKIPPED, _xml_of(folder, name), f"{error}; image skipped")
    found = Counter(name for _, _, annotation in entries for name in annotation.names)
    names = sorted(found) if class_names is None else class_names
    labels = {name: label for label, name in enumerate(names)}
    every_box = [annotation.boxes for _, _, annotation in entries]
    refuse_fractions(join_arrays(every_box, np.float32).reshape(-1, 4), folder.xml_folder)
    records = [
        record
        for name, path, annotation in entries
        if (record := _record(path, annotation, labels, _xml_of(folder, name), taker))
    ]
    return VocSplit(build_index(records, names, taker.notes()), found)


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
        names = (f"{name}{suffix}" for suffix in FOREIGN_SUFFIXES)
        others = [file for file in names if (folder.image_folder / file).is_file()]
        but = f", but {others[0]}, which is not an image format that can be read" if others else ""
        raise ValueError(f"no image {name}.* in {_short_name(folder.image_folder)}{but}")
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
    path: Path, annotation: Annotation, label_of: Mapping[str, int], xml: str, taker: NoteTaker
) -> ImageRecord | None:
    """Return the record, or None if the image is skipped; problems with the file `xml` go to `taker`."""
    for fault in annotation.faults:
        taker.add(OBJECTS_SKIPPED, xml, fault)
    for name, count in Counter(name for name in annotation.names if name not in label_of).items():
        reason = f"{UNKNOWN_CLASS}: {names_with_counts({name: count})}"
        taker.add(OTHER_CLASSES, xml, reason, subject=name, count=count)
    labels = np.array([label_of.get(name, -1) for name in annotation.names], np.int32)
    known = labels >= 0
    boxes = annotation.boxes[known]
    try:
        size = _true_size(path, annotation.size, boxes)
    except ValueError as error:
        taker.add(IMAGES_SKIPPED, xml, f"{error}; image skipped")
        return None
    if size != annotation.size and min(annotation.size) > 0:
        (height, width), (true_height, true_width) = annotation.size, size
        reason = f"size {width}x{height} in the XML, {true_width}x{true_height} in the image"
        taker.add(REPAIRED, xml, reason)
    clipped, faults = clip_boxes(boxes, size)
    for fault in filter(None, faults):
        taker.add(OBJECTS_SKIPPED, xml, fault)
    sound = np.array([not fault for fault in faults], bool)
    for box in boxes[(clipped != boxes).any(axis=1) & sound].tolist():
        text = ", ".join(f"{value:g}" for value in box)
        taker.add(CLIPPED, xml, f"box {text} reaches beyond the image of {size[1]}x{size[0]}")
    return ImageRecord(
        path=str(path),
        boxes=clipped[sound],
        labels=labels[known][sound],
        difficult=annotation.difficult[known][sound],
        size=size,
    )


def _true_size(path: Path, stated: Size, boxes: Boxes) -> Size:
    """Return the size in the XML, or in the image header if it is missing or a box exceeds it."""
    height, width = stated
    exceeded = bool((boxes[:, 2] > width).any() or (boxes[:, 3] > height).any())
    return header_size(path) if min(stated) == 0 or exceeded else stated
