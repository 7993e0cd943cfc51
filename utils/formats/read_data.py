"""One way to name a data set on the command line, whatever its format.

2007_train.txt               a list file (voc_annotation.py makes it)
VOCdevkit/VOC2007:train      a VOC folder and one of its splits; difficult objects are kept and flagged
instances.json:images/       COCO annotations and the folder of their images
data.yaml:train              YOLO: the YAML file and one of its splits
images/train/                YOLO: a folder of images whose labels lie in labels/train/, or beside them
annotations/:images/         a folder of VOC XML or of YOLO text, and the folder of their images
"""

import os
from collections.abc import Sequence
from pathlib import Path
from warnings import warn

from utils.data.class_names import read_classes
from utils.data.index import DatasetIndex
from utils.data.index_cache import read_cached
from utils.data.merge import join_indexes
from utils.formats.coco import read_coco
from utils.formats.list_file import read_list
from utils.formats.voc import VocSplit, no_match_message, read_voc, read_voc_pair, split_names
from utils.formats.yolo import images_below, label_files, read_yolo_folder, read_yolo_pair
from utils.formats.yolo_yaml import read_yolo_yaml

FORMS = (
    "A data set is a list file (2007_train.txt), a VOC folder with a split (VOCdevkit/VOC2007:train), "
    "COCO annotations with the image folder (instances.json:images/), a YOLO file with a split "
    "(data.yaml:train), a folder of images with YOLO labels (images/train/), or a folder of VOC XML or YOLO "
    "text with the image folder (annotations/:images/)"
)
YAML = (".yaml", ".yml")
SHOWN = 10  # missing images named in one message


def read_data(spec: str, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read the data set that `spec` names.

    class_names  the order of the labels. None: the names in the VOC, COCO or YAML file; others need them.

    Raises `ValueError` with the fix where nothing can be read; broken files of a VOC folder are left out with
    a warning. Whether the images exist is another question: see `require_images`.
    """
    base, option = _split_spec(spec)
    if base.is_dir() and option:
        return _read_folder(base, option, class_names)
    if base.is_dir() and _is_yolo_folder(base):
        return read_yolo_folder(base, _needed(class_names, base))
    if base.is_dir():
        raise ValueError(f"{base.absolute()} is a folder: {_split_advice(base)}. {FORMS}")
    if not base.is_file():
        raise ValueError(f"{spec} does not exist (looked for {_sought(spec).absolute()}). {FORMS}")
    if base.suffix.lower() in YAML:
        return read_yolo_yaml(base, option, class_names)
    if option or base.suffix.lower() == ".json":
        images = Path(option) if option else base.parent
        if not images.is_dir():
            raise ValueError(f"the image folder {images.absolute()} of {base} does not exist")
        return read_cached(read_coco, base, images.absolute(), class_names)
    return read_cached(read_list, base, _needed(class_names, base))


def read_many(specs: Sequence[str], class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read one or several data sets as one, see `join_indexes`; their own classes are matched by name.

    class_names  as for `read_data`; None: those of the first data set, then what the others have beyond
    """
    if not specs:
        raise ValueError(f"no data set is named. {FORMS}")
    indexes = [read_data(spec, class_names) for spec in specs]
    return indexes[0] if len(indexes) == 1 else join_indexes(indexes, class_names, specs)


def names_classes(spec: str) -> bool:
    """Whether the data set itself names its classes; lists and YOLO text hold numbers only."""
    base, option = _split_spec(spec)
    if base.is_dir():
        return bool(option) and (not _is_pair(base, option) or _holds_xml(base))
    return base.suffix.lower() in (".json", *YAML) or (base.is_file() and bool(option))


def given_classes(file: Path | None, specs: Sequence[str], default: Path) -> tuple[str, ...] | None:
    """The names in the class file; without one, None if all data sets name their own, else the default's."""
    if file is None and all(map(names_classes, specs)):
        return None
    return read_classes(file or default)


def absolute_spec(spec: str) -> str:
    """The same data set, named so that it is found from any directory."""
    base, option = _split_spec(spec)
    if not option:
        return str(base.absolute())
    is_split = base.suffix.lower() in YAML or (base.is_dir() and not _is_pair(base, option))
    return f"{base.absolute()}:{option if is_split else Path(option).absolute()}"


def missing_images(index: DatasetIndex) -> list[Path]:
    """The images of the index that do not exist, in its order; found by one listing a folder."""
    folders: dict[str, frozenset[str]] = {}
    missing = []
    for path in index.paths():
        folder, separator, name = path.rpartition(os.sep)
        if folder not in folders:
            folders[folder] = _names_in(Path(folder + separator))
        # A file system may ignore case or how "ä" is composed: ask it before calling an image missing.
        if name not in folders[folder] and not (folders[folder] and Path(path).is_file()):
            missing.append(Path(path))
    return missing


def require_images(index: DatasetIndex, spec: str) -> None:
    """Raise `ValueError` that names what is missing, and where it was looked for, if any image is."""
    missing = missing_images(index)
    if missing:
        shown = "\n".join(f"  {path}" for path in missing[:SHOWN])
        more = f"\n  and {len(missing) - SHOWN} more" if len(missing) > SHOWN else ""
        raise ValueError(
            f"{len(missing)} of {len(index)} images of {spec} do not exist:\n{shown}{more}\n"
            f"If they were moved, make the list again (python voc_annotation.py) or correct the folder"
        )


def require_boxes(index: DatasetIndex, spec: str) -> None:
    """Raise `ValueError` if there is nothing to learn from: no image, or no box in any of them."""
    if len(index) == 0:
        raise ValueError(f"{spec} holds no image")
    if not (~(index.difficult | index.crowd)).any():
        names = ", ".join(index.class_names[:20])
        raise ValueError(
            f"{spec}: {len(index)} images and no box that counts. Usually the names in the annotations "
            f"are not those in --classes ({names}): python voc_annotation.py lists the names that it finds"
        )


def _split_spec(spec: str) -> tuple[Path, str]:
    """What stands before and after the colon that separates, if one does; a drive letter's colon does not."""
    if not Path(spec).exists():
        for position in reversed([at for at, character in enumerate(spec) if at > 0 and character == ":"]):
            base, option = Path(spec[:position]), spec[position + 1 :]
            names_part = base.is_dir() and (not set(option) & set("/\\") or Path(option).is_dir())
            if option and (base.is_file() or names_part):
                return base, option
    return Path(spec), ""


def _sought(spec: str) -> Path:
    before = spec.rpartition(":")[0]
    return Path(before if len(before) > 1 else spec)  # one letter is a drive


def _split_advice(folder: Path) -> str:
    if splits := split_names(folder):
        return f"name a split: {', '.join(f'{folder}:{split}' for split in splits)}"
    years = sorted(year for year in folder.iterdir() if split_names(year))
    if years:
        return f"name a year and a split, such as {years[0]}:{split_names(years[0])[0]}"
    if files := sorted(path for path in folder.iterdir() if path.suffix.lower() in YAML):
        return f"name the YAML file and a split, such as {files[0]}:train"
    if (folder / "images").is_dir():
        return f"name its folder of images: {folder / 'images'}"
    return "it has neither ImageSets/Main with splits (python voc_annotation.py makes them) nor YOLO labels"


def _needed(class_names: Sequence[str] | None, base: Path) -> Sequence[str]:
    if class_names is None:
        raise ValueError(f"{base} holds class numbers only: give their names with --classes FILE")
    return class_names


def _is_yolo_folder(folder: Path) -> bool:
    """Whether an image in or below the folder has a label file; a data set's root is no such folder."""
    if any((folder / part).is_dir() for part in ("ImageSets", "JPEGImages", "images")):
        return False
    return any(label_files(images_below(folder)))


def _is_pair(folder: Path, option: str) -> bool:
    return option not in split_names(folder) and Path(option).is_dir()


def _holds_xml(folder: Path) -> bool:
    return any(folder.glob("*.xml"))


def _read_folder(folder: Path, option: str, class_names: Sequence[str] | None) -> DatasetIndex:
    """A folder with the name of a split, or with the folder of its images."""
    if not _is_pair(folder, option):
        return _checked_voc(f"{folder}:{option}", read_voc(folder, option, class_names))
    if _holds_xml(folder):
        return _checked_voc(f"{folder}:{option}", read_voc_pair(folder, Path(option), class_names))
    return read_yolo_pair(folder, Path(option), _needed(class_names, folder))


def _checked_voc(spec: str, result: VocSplit) -> DatasetIndex:
    first = "".join(f"{file}: {reason}" for file, reason in result.problems[:1])
    if result.found and not set(result.found) & set(result.index.class_names):
        raise ValueError(f"{spec}: {no_match_message(result.found, 'the class list')}")
    if len(result.index) == 0:
        raise ValueError(f"{spec} has no usable image. {first}")
    if result.problems:
        count = len(result.problems)
        warn(f"{spec}: {count} problems (voc_annotation.py lists them): {first}", stacklevel=3)
    return result.index


def _names_in(folder: Path) -> frozenset[str]:
    if not folder.is_dir():
        return frozenset()
    with os.scandir(folder) as entries:
        return frozenset(entry.name for entry in entries)
