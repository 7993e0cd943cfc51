"""Read a data set of any format, named by a spec (see `utils.formats.data_source`)."""

import os
from collections.abc import Sequence
from pathlib import Path

from utils.data.class_names import names_with_counts, read_classes
from utils.data.index import DatasetIndex
from utils.data.index_cache import read_cached
from utils.data.merge import join_indexes
from utils.data.notes import NO_LABEL_FILE, OTHER_CLASSES, counts_by_subject
from utils.data.summary import first_lines, note_text
from utils.formats.coco import read_coco
from utils.formats.data_source import FORMS, DataSource, find_source, names_classes
from utils.formats.list_file import read_list
from utils.formats.voc import VocSplit, no_match_message, read_voc, read_voc_pair
from utils.formats.yolo import read_yolo, read_yolo_folder, read_yolo_pair
from utils.formats.yolo_files import label_files
from utils.formats.yolo_yaml import listed_images, read_yolo_yaml


def read_data(spec: str, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read the data set that `spec` names.

    class_names  class names, by label; None takes them from the VOC, COCO or YAML file, other formats need
        them

    Files, lines and objects that cannot be used are skipped; the notes of the index tell which. Raises
    ValueError with the fix if nothing, or hardly anything, can be read. Does not check that the images exist:
    see `require_images`.
    """
    source = find_source(spec)
    base, option = source.base, source.option
    match source.kind:
        case "voc":
            return _checked_voc(source, read_voc(base, option, class_names))
        case "voc-pair":
            return _checked_voc(source, read_voc_pair(base, Path(option), class_names))
        case "coco":
            return read_cached(read_coco, base, source.image_folder, class_names)
        case "yolo-yaml":
            return read_yolo_yaml(base, option, class_names)
        case "yolo-folder":
            return read_yolo_folder(base, _needed(class_names, base))
        case "yolo-pair":
            return read_yolo_pair(base, Path(option), _needed(class_names, base))
        case "list":
            return _read_list(base, _needed(class_names, base))


def _read_list(path: Path, class_names: Sequence[str]) -> DatasetIndex:
    """Read a list file; with YOLO label files if no line has a box and images have such files."""
    index = read_cached(read_list, path, class_names)
    if len(index.boxes):
        return index
    images = listed_images(path)
    return read_yolo(images, class_names, str(path)) if any(label_files(images)) else index


def read_many(specs: Sequence[str], class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read one or several data sets as one (see `join_indexes`).

    class_names  as for `read_data`; None takes the names of all data sets, in order of first appearance
    """
    if not specs:
        raise ValueError(f"no data set is named. {FORMS}")
    indexes = [read_data(spec, class_names) for spec in specs]
    return indexes[0] if len(indexes) == 1 else join_indexes(indexes, class_names, specs)


def given_classes(file: Path | None, specs: Sequence[str], default: Path) -> tuple[str, ...] | None:
    """Return the names in the class file; without it, None if every data set has names, else the default."""
    if file is None and all(map(names_classes, specs)):
        return None
    return read_classes(file or default)


def missing_images(index: DatasetIndex) -> list[Path]:
    """Return the images in the index that do not exist, in order; reads each directory once."""
    folders: dict[str, frozenset[str]] = {}
    missing = []
    for path in index.paths():
        folder, separator, name = path.rpartition(os.sep)
        if folder not in folders:
            folders[folder] = _names_in(Path(folder + separator))
        # File systems may ignore case or Unicode composition: look up the path before reporting it.
        if name not in folders[folder] and not (folders[folder] and Path(path).is_file()):
            missing.append(Path(path))
    return missing


def require_images(index: DatasetIndex, spec: str) -> None:
    """Raise ValueError that names the missing images, if there are any."""
    missing = missing_images(index)
    if missing:
        raise ValueError(
            f"{len(missing)} of {len(index)} images of {spec} do not exist:\n"
            f"{first_lines([str(path) for path in missing])}\n"
            "If they were moved, correct the image folder, or make the list again"
        )


def require_boxes(index: DatasetIndex, spec: str) -> None:
    """Raise ValueError if nothing can be learned: no image, or no object but difficult ones and crowds."""
    if len(index) == 0:
        raise ValueError(f"{spec} contains no image")
    if not (~(index.difficult | index.crowd)).any():
        raise ValueError(f"{spec}: {len(index)} images and no box to learn from. {_why_no_object(index)}")


def _why_no_object(index: DatasetIndex) -> str:
    if crowds := int(index.crowd.sum()):
        return (
            f"All {crowds} annotations are crowds (iscrowd is 1), which are not learned. Some tools write "
            "that for every mask: set iscrowd to 0 where a box holds one object"
        )
    if difficult := int(index.difficult.sum()):
        return f"All {difficult} objects are flagged as difficult, which are not learned"
    notes = {note.kind: note for note in index.notes}
    if NO_LABEL_FILE in notes and notes[NO_LABEL_FILE].number == len(index):
        return f"None has a label file: {notes[NO_LABEL_FILE].problems[0].reason}"
    if unknown := counts_by_subject(index.notes, OTHER_CLASSES):
        listed = names_with_counts(unknown)
        return f"The names in the annotations are not those in --classes, but {listed}"
    if index.notes:
        return f"What was skipped:\n{note_text(index.notes)}"
    return "The annotation files hold none"


def _needed(class_names: Sequence[str] | None, base: Path) -> Sequence[str]:
    if class_names is None:
        raise ValueError(f"{base} contains only class numbers: give their names with --classes FILE")
    return class_names


def require_usable(source: DataSource, result: VocSplit) -> None:
    """Raise ValueError if no class name in the XML is in the class list, or no image can be used."""
    if result.found and not set(result.found) & set(result.index.class_names):
        message = no_match_message(result.found, "the class list")
        raise ValueError(f"{source.base}:{source.option}: {message}")
    if len(result.index) == 0:
        first = "".join(f"{file}: {reason}" for file, reason in result.problems[:1])
        raise ValueError(f"{source.base}:{source.option} has no usable image. {first}")


def _checked_voc(source: DataSource, result: VocSplit) -> DatasetIndex:
    require_usable(source, result)
    return result.index


def _names_in(folder: Path) -> frozenset[str]:
    if not folder.is_dir():
        return frozenset()
    with os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries)
