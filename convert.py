"""Convert data sets: python convert.py VOCdevkit/VOC2007:train --to coco --output my_coco

From any format to any other, several joined into one, their classes by name. All digits of the boxes are
kept; what the format cannot hold is counted. The images are linked, copied, or left where they are.
"""

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from utils.data.class_names import read_classes
from utils.data.summary import count_table
from utils.formats.convert import convert
from utils.formats.place_images import How
from utils.formats.read_data import read_many, require_images
from utils.formats.writers import DataFormat
from utils.system.cli import run
from utils.system.validation import check_values


@dataclass(frozen=True)
class Config:
    """Write data sets in another format."""

    data: Annotated[tuple[str, ...], tyro.conf.Positional]  # data sets, as for --train of train.py
    to: DataFormat  # the format to write: voc, coco, yolo or list
    output: Path  # the folder to write; it must be new or empty
    split: str = "train"  # the name of what is written: train, val, test or another
    classes: Path | None = None  # class names, one a line; by default the data's own
    images: How = "link"  # link or copy the images into the folder, or none: leave them where they are
    keep_difficult: bool = False  # keep difficult objects where the format has no flag for them


def main(config: Config) -> None:
    """Read, convert, and say what could not be kept and how to go on."""
    check_values(vars(config), {"a plain name": ("split",)})
    index = read_many(config.data, read_classes(config.classes) if config.classes else None)
    require_images(index, ", ".join(config.data))
    done = convert(index, config.to, config.output, config.split, config.images, config.keep_difficult)
    print(count_table({config.split: done.data}, {}))
    for change, count in done.changes.items():
        print(f"{count:6d} {change}")
    flag = config.split if config.split in ("train", "val", "test") else "train"
    data = {"train": "TRAINING_DATA", "val": "VALIDATION_DATA"} | {flag: done.spec}
    flags = [word for name, spec in data.items() for word in (f"--{name}", spec)]
    command = shlex.join(["python", "train.py", *flags, "--classes", str(done.classes)])
    print(f"wrote {config.output.absolute()}. To train with it:\n{command}")


if __name__ == "__main__":
    run(main, Config)
