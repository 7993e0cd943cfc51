"""The YAML file beside YOLO labels: where the images of each split lie, and the names of the classes.

path: ../my data          where the paths start, from the YAML's own folder; that folder itself if not given
train: images/train       a folder, a .txt list of images, or a list of these; so are val and test
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

SPLITS = ("train", "val", "test")
NOTHING = ("", "null", "~")  # what "no such split" is written as


class YoloData(NamedTuple):
    """What the YAML file says: the class names, none if it has none, and the places of each split."""

    class_names: tuple[str, ...]
    root: Path
    splits: dict[str, list[str]]


def read_yolo_yaml(path: Path, split: str, class_names: Sequence[str] | None = None) -> DatasetIndex:
    """Read one split of the data that a YAML file describes.

    class_names  the order of the labels, matched by name with those of the YAML, or, where that has none, the
        names of the class numbers. Objects of other classes are left out with a warning.

    Raises `ValueError` if the file is no such YAML, has no such split, or names what does not exist.
    """
    data = open_yolo_yaml(path)
    if split not in data.splits:
        there = ", ".join(f"{path}:{name}" for name in data.splits) or "none: it needs train:"
        raise ValueError(f"{path} has no split {split!r}; it has {there}")
    names = data.class_names or class_names
    if not names:
        raise ValueError(f"{path} has no names: give the class names with --classes FILE")
    try:
        images = [image for place in data.splits[split] for image in _images_of(path, data.root, place)]
        index = read_yolo(images, names, f"{path}:{split}")
    except OSError as error:  # a name that is too long, a folder that may not be listed
        raise ValueError(f"{path}:{split} names what cannot be read: {error}") from None
    return index if class_names is None else relabel(index, class_names, f"{path}:{split}")


def open_yolo_yaml(path: Path) -> YoloData:
    """Read the YAML file itself; `ValueError` in one sentence if it is not what it should be."""
    try:
        # All scalars stay text, so classes named no, 1e3 or 007 keep their names; it builds no other objects.
        content = yaml.load(read_text(path), Loader=yaml.BaseLoader)
    except (yaml.YAMLError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        where = f" (line {mark.line + 1}: {getattr(error, 'problem', '')})" if mark else ""
        raise ValueError(f"{path} is not whole YAML{where}: was it cut off?") from None
    if not isinstance(content, dict) or not {"names", *SPLITS} & content.keys():
        raise ValueError(f"{path} does not describe YOLO data: it has neither names: nor train:")
    splits = {name: _places(path, name, content[name]) for name in SPLITS if name in content}
    root = content.get("path", "")
    if not isinstance(root, str) or "\0" in root:
        raise ValueError(f"{path}: path: is not the path of a folder")
    return YoloData(
        _class_names(path, content),
        path.absolute().parent / root,
        {name: places for name, places in splits.items() if places},
    )


def write_yolo_yaml(path: Path, class_names: Sequence[str], splits: dict[str, str]) -> None:
    """Write the YAML file; the places of the splits start at its folder."""
    content = {**splits, "names": dict(enumerate(class_names))}
    write_text(path, yaml.safe_dump(content, allow_unicode=True, sort_keys=False, width=10_000))


def _places(path: Path, split: str, value: Any) -> list[str]:
    places = value if isinstance(value, list) else [value]
    if not all(isinstance(place, str) and "\0" not in place for place in places):
        raise ValueError(f"{path}: {split}: is neither a path nor a list of paths")
    return [place for place in places if place not in NOTHING]


def _class_names(path: Path, content: dict[Any, Any]) -> tuple[str, ...]:
    names = content.get("names", [])
    if isinstance(names, dict):
        try:
            by_number = {int(number): name for number, name in names.items()}
        except (TypeError, ValueError):
            raise ValueError(f"{path}: names: has a number that is none") from None
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


def _images_of(path: Path, root: Path, place: str) -> list[str]:
    """Absolute paths of the images that one place of a split names."""
    found = root / place
    if not found.exists() and (root / place.removeprefix("../")).exists():
        found = root / place.removeprefix("../")  # Roboflow writes ../train/images for train/images beside
    if found.is_dir():
        images = list(images_below(found))
    elif found.is_file() and found.suffix == ".txt":
        lines = [line.strip() for line in read_text(found).split("\n")]
        images = [str(found.parent / line) for line in lines if line]
    else:
        raise ValueError(f"{path} names {place}, but {found} is neither a folder nor a .txt list of images")
    if not images:
        raise ValueError(f"{path} names {found}, which holds no image")
    return images
