"""The YAML file of YOLO data: the locations of the images of each split, and the class names.

path: ../my data          root of the other paths, relative to the folder of the YAML; default: that folder
train: images/train       a folder, a .txt list of images, or a list of these; also val and test
names: [cat, dog]         or {0: cat, 1: dog}
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from utils.data.index import DatasetIndex
from utils.data.merge import relabel
from utils.formats.yolo import images_below, read_yolo
from utils.system.files import read_text, write_text

YAML_SPLITS = ("train", "val", "test")
NO_LOCATION = ("", "null", "~")  # values that mean there is no such split


class YoloData(NamedTuple):
    """The content of the YAML file: class names (may be empty), root folder, and locations of each split."""

    class_names: tuple[str, ...]
    root: Path
    splits: dict[str, list[str]]


def read_yolo_yaml(path: Path, split: str, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read one split of the data that a YAML file describes.

    class_names  class names, by label, matched with the names in the YAML; if it has none, the names of its
        class numbers. Objects of other classes are skipped with a warning.

    Raises ValueError if the file does not describe YOLO data, or if the split or its images do not exist.
    """
    data = open_yolo_yaml(path)
    if split not in data.splits:
        offered = ", ".join(f"{path}:{name}" for name in data.splits) or "none: it needs train:"
        raise ValueError(f"{path} has no split {split!r}; it has {offered}")
    names = data.class_names or class_names
    if not names:
        raise ValueError(f"{path} has no names: give the class names with --classes FILE")
    try:
        images = [
            image for location in data.splits[split] for image in _image_paths(path, data.root, location)
        ]
        index = read_yolo(images, names, f"{path}:{split}")
    except OSError as error:  # for example a name that is too long, or no permission
        raise ValueError(f"{path}:{split} names what cannot be read: {error}") from None
    return index if class_names is None else relabel(index, class_names, f"{path}:{split}")


def open_yolo_yaml(path: Path) -> YoloData:
    """Read the YAML file without its images; ValueError if it does not describe YOLO data."""
    try:
        # Scalars stay text: classes named no, 1e3 or 007 keep their names, and no objects are built.
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        where = ""
        if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark:
            where = f" (line {error.problem_mark.line + 1}: {error.problem})"
        raise ValueError(f"{path} is not whole YAML{where}: was it cut off?") from None
    if not isinstance(content, dict) or not {"names", *YAML_SPLITS} & content.keys():
        raise ValueError(f"{path} does not describe YOLO data: it has neither names: nor train:")
    splits = {name: _locations(path, name, content[name]) for name in YAML_SPLITS if name in content}
    root = content.get("path", "")
    if not isinstance(root, str) or "\0" in root:
        raise ValueError(f"{path}: path: is not the path of a folder")
    return YoloData(
        _class_names(path, content),
        path.absolute().parent / root,
        {name: locations for name, locations in splits.items() if locations},
    )


def write_yolo_yaml(path: Path, class_names: Sequence[str], splits: dict[str, str]) -> None:
    """Write the YAML file; the locations of the splits are relative to its folder."""
    content = {**splits, "names": dict(enumerate(class_names))}
    write_text(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000))


def _locations(path: Path, split: str, value: object) -> list[str]:
    values: list[object] = value if isinstance(value, list) else [value]
    locations = [location for location in values if isinstance(location, str) and "\0" not in location]
    if len(locations) < len(values):
        raise ValueError(f"{path}: {split}: is neither a path nor a list of paths")
    return [location for location in locations if location not in NO_LOCATION]


def _class_names(path: Path, content: dict[Any, Any]) -> tuple[str, ...]:
    names = content.get("names", [])
    if isinstance(names, dict):
        try:
            by_number = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            raise ValueError(f"{path}: names: has a key that is not a number") from None
        if sorted(by_number) != list(range(len(names))):
            raise ValueError(f"{path}: the numbers of names: do not go from 0 to {len(names) - 1}")
        names = [by_number[number] for number in range(len(names))]
    if not isinstance(names, list) or not all(isinstance(name, str) and name.strip() for name in names):
        raise ValueError(f"{path}: names: is neither a list of names nor names by number")
    if repeated := [name for name, count in Counter(names).items() if count > 1]:
        raise ValueError(f"{path}: names: holds {', '.join(repeated[:10])} more than once")
    if names and content.get("nc", str(len(names))) != str(len(names)):
        raise ValueError(f"{path}: nc: is {content['nc']!r:.20}, but there are {len(names)} names")
    return tuple(names)


def _image_paths(path: Path, root: Path, location: str) -> list[str]:
    """Return the absolute paths of the images at one location of a split."""
    found = root / location
    if not found.exists() and (root / location.removeprefix("../")).exists():
        found = root / location.removeprefix("../")  # Roboflow writes ../train/images for train/images
    if found.is_dir():
        images = list(images_below(found))
    elif found.is_file() and found.suffix == ".txt":
        lines = [line.strip() for line in read_text(found).split("\n")]
        images = [str(found.parent / line) for line in lines if line]
    else:
        raise ValueError(
            f"{path} names {location}, but {found} is neither a folder nor a .txt list of images"
        )
    if not images:
        raise ValueError(f"{path} names {found}, which contains no image")
    return images
