"""The YAML file of YOLO data: the locations of the images of each split, and the class names.

path: ../my data          root of the other paths, relative to the folder of the YAML; default: that folder
train: images/train       a folder, a .txt list of images, or a list of these; also val and test
names: [cat, dog]         or {0: cat, 1: dog}
kpt_shape: [17, 3]        of pose data: keypoints that follow each box, and are not used

Darknet's obj.data says the same in lines such as `train = data/train.txt` and `names = data/obj.names`.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from utils.data.class_names import class_names_of, read_classes
from utils.data.index import DatasetIndex
from utils.data.merge import relabel
from utils.formats.paths import existing_path
from utils.formats.yolo import read_yolo
from utils.formats.yolo_files import images_below
from utils.system.files import read_text, write_text

YAML_SPLITS = ("train", "val", "test")
DARKNET_SUFFIX = ".data"
DARKNET_SPLITS = {"train": "train", "valid": "val", "test": "test"}  # keys of obj.data -> our names
NO_LOCATION = ("", "null", "~")  # values that mean there is no such split


class YoloData(NamedTuple):
    """The content of the file.

    class_names  class names; may be empty
    root         folder that locations are relative to
    splits       locations of the images of each split
    keypoints    number of columns of keypoints after a box
    """

    class_names: tuple[str, ...]
    root: Path
    splits: dict[str, list[str]]
    keypoints: int = 0


def read_yolo_yaml(path: Path, split: str, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read one split of the data that a YAML file, or Darknet's obj.data, describes.

    class_names  class names, by label, matched with the names in the YAML; if it has none, the names of its
        class numbers. Objects of other classes are skipped and noted.

    Raises ValueError if the file does not describe YOLO data, or if the split or its images do not exist.
    """
    data = open_darknet(path) if path.suffix.lower() == DARKNET_SUFFIX else open_yolo_yaml(path)
    if split not in data.splits:
        offered = ", ".join(f"{path}:{name}" for name in data.splits) or "none: it needs train:"
        lacking = f"has no split {split!r}; it has" if split else "holds splits: name one of them, as in"
        raise ValueError(f"{path} {lacking} {offered}")
    names = data.class_names or class_names
    if not names:
        raise ValueError(f"{path} has no names: give the class names with --classes FILE")
    try:
        images = [
            image for location in data.splits[split] for image in _image_paths(path, data.root, location)
        ]
        index = read_yolo(images, names, f"{path}:{split}", data.keypoints)
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
        _keypoint_columns(path, content.get("kpt_shape", [])),
    )


def open_darknet(path: Path) -> YoloData:
    """Read Darknet's obj.data without its images; ValueError if it does not describe data."""
    pairs = [line.partition("=") for line in read_text(path).split("\n")]
    content = {key.strip(): value.strip() for key, equals, value in pairs if equals}
    if not {"names", *DARKNET_SPLITS} & content.keys():
        raise ValueError(f"{path} does not describe Darknet data: it has neither names = nor train =")
    root = path.absolute().parent
    names = content.get("names", "")
    file = Path(_location(root, names)) if names else None
    splits = {name: [content[key]] for key, name in DARKNET_SPLITS.items() if content.get(key)}
    return YoloData(read_classes(file) if file else (), root, splits)


def write_yolo_yaml(path: Path, class_names: Sequence[str], splits: dict[str, str]) -> None:
    """Write the YAML file; the locations of the splits are relative to its folder."""
    content = {**splits, "names": dict(enumerate(class_names_of(class_names, path)))}
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
    if not isinstance(names, list):
        raise ValueError(f"{path}: names: is neither a list of names nor names by number")
    if names and content.get("nc", str(len(names))) != str(len(names)):
        raise ValueError(f"{path}: nc: is {content['nc']!r:.20}, but there are {len(names)} names")
    return class_names_of(names, f"{path} (names)") if names else ()


def _keypoint_columns(path: Path, shape: Any) -> int:
    """Return the number of columns of `kpt_shape: [points, numbers per point]`."""
    if not shape:
        return 0
    try:
        points, numbers = map(int, shape)
    except (TypeError, ValueError):
        points, numbers = 0, 0
    if points < 1 or numbers not in (2, 3):
        raise ValueError(f"{path}: kpt_shape: is {shape!r:.40}: it is [number of keypoints, 2 or 3]")
    return points * numbers


def _image_paths(path: Path, root: Path, location: str) -> list[str]:
    """Return the absolute paths of the images at one location of a split."""
    found = Path(_location(root, location))
    if found.is_dir():
        images = list(images_below(found))
    elif found.is_file() and found.suffix.lower() == ".txt":
        images = listed_images(found)
    else:
        raise ValueError(
            f"{path} names {location}, but {found} is neither a folder nor a .txt list of images"
        )
    if not images:
        raise ValueError(f"{path} names {found}, which contains no image")
    return images


def listed_images(path: Path) -> list[str]:
    """Return the absolute paths of the images in a list with one path per line."""
    lines = [line.strip() for line in read_text(path).split("\n")]
    return [_location(path.parent, line) for line in lines if line]


def _location(root: Path, location: str) -> str:
    """Return the absolute path of a location, also where it was written for another folder.

    Roboflow writes ../train/images for train/images, and Darknet's paths start at its own data/ folder.
    """
    found = existing_path(root, location)
    if Path(found).exists():
        return found
    first, _, rest = location.replace("\\", "/").partition("/")
    return str(root / rest) if first in ("..", "data") and rest and (root / rest).exists() else found
