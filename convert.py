"""Convert data sets: python convert.py VOCdevkit/VOC2007:train --to coco --output my_coco

From any format to any other, several joined into one, their classes by name. All digits of the boxes are
kept; what the format cannot hold is counted. The pictures are linked, copied, or left where they are.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from utils.atomic import new_folder
from utils.classes import read_classes
from utils.cli import run
from utils.conversion import fit_format
from utils.data_report import count_table
from utils.data_spec import read_many, require_images
from utils.data_writers import IMAGE_FOLDERS, WRITERS, Format, Place
from utils.image_placing import How, common_folder, distinct_names, place_images, require_one_folder
from utils.index import DatasetIndex
from utils.preflight import check_values
from utils.text_file import write_text


@dataclass(frozen=True)
class Config:
    """Write data sets in another format."""

    data: Annotated[
        tuple[str, ...], tyro.conf.Positional
    ]  # lists, VOC2007:train, a.json:images/, a.yaml:train, ...
    to: Format  # the format to write: voc, coco, yolo or list
    output: Path  # the folder to write; it must be new or empty
    split: str = "train"  # the name of what is written: train, val, test or another
    classes: Path | None = None  # class names, one a line; by default the data's own
    images: How = "link"  # link or copy the pictures into the folder, or none: leave them where they are
    keep_difficult: bool = False  # keep difficult objects where the format has no flag for them


def main(config: Config) -> None:
    """Read, fit, write, and say how to go on."""
    check_values(vars(config), {"a plain name": ("split",)})
    index = read_many(config.data, read_classes(config.classes) if config.classes else None)
    require_images(index, ", ".join(config.data))
    index, changes = fit_format(index, config.to, config.keep_difficult)
    if len(index) == 0:
        raise ValueError(f"{', '.join(config.data)} holds no image that can be read")
    output = config.output.absolute()
    with new_folder(output) as folder:
        place = place_of(index, config, folder, output)
        spec = WRITERS[config.to](index, place)
        write_text(folder / "classes.txt", "".join(f"{name}\n" for name in index.class_names))
    print(count_table({config.split: index}, {}))
    for change, count in changes.items():
        print(f"{count:6d} {change}")
    flag = config.split if config.split in ("train", "val", "test") else "train"
    command = ["python", "train.py", f"--{flag}", spec, "--classes", str(output / "classes.txt")]
    print(f"wrote {output}. To train with it: {shlex.join(command)}")


def place_of(index: DatasetIndex, config: Config, folder: Path, output: Path) -> Place:
    """Bring the pictures into the folder, or find where they are."""
    paths = [index.path(image) for image in range(len(index))]
    if config.images == "none":
        if config.to in ("voc", "yolo"):
            require_one_folder(paths)
        images = common_folder(paths)
        names = [path.relative_to(images).as_posix() for path in paths]
        return Place(folder, output, config.split, images, names)
    names = distinct_names(paths)
    below = IMAGE_FOLDERS[config.to].format(split=config.split)
    place_images(paths, folder / below, names, config.images)
    return Place(folder, output, config.split, output / below, names)


if __name__ == "__main__":
    run(main, Config)
