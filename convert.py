"""Convert data sets: python convert.py VOCdevkit/VOC2007:train --to coco --output my_coco

Converts any format to any other, and merges several data sets, matching classes by name. Boxes keep all
digits; what the format cannot hold is dropped and counted. Images are linked, copied, or left where they
are.
"""

import utils.system.quiet_imports  # noqa: F401

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from utils.data.class_names import read_classes
from utils.data.summary import count_table, data_line, print_notes
from utils.formats.convert import convert
from utils.formats.place_images import ImagePlacement
from utils.formats.read_data import read_many, require_images
from utils.formats.writers import DataFormat
from utils.system.cli import run
from utils.system.files import require_writable
from utils.system.settings import PlainName, check_ranges


@dataclass(frozen=True)
class Config:
    """Convert data sets between formats."""

    data: Annotated[tuple[str, ...], tyro.conf.Positional]  # data sets, as in train.py --train
    to: DataFormat  # output format: voc, coco, yolo or list
    output: Path  # output folder, new or empty
    split: PlainName = "train"  # name of the split to write: train, val, test or another
    classes: Path | None = None  # class names, one per line; default: the data's own
    images: ImagePlacement = "link"  # link or copy the images, or none: leave them where they are
    keep_difficult: bool = False  # keep difficult objects if the format has no flag for them


def main(config: Config) -> None:
    """Convert the data sets; print what could not be kept, and how to train on the result."""
    check_ranges(config)
    require_writable(config.output.absolute().parent)
    index = read_many(config.data, read_classes(config.classes) if config.classes else None)
    require_images(index, ", ".join(config.data))
    print(f"read: {data_line(index)}")
    print_notes(index)
    converted = convert(index, config.to, config.output, config.split, config.images, config.keep_difficult)
    print(count_table({config.split: converted.data}))
    for change, count in converted.changes.items():
        print(f"{count:6d} {change}")
    flag = config.split if config.split in ("train", "val", "test") else "train"
    data = {"train": "TRAINING_DATA", "val": "VALIDATION_DATA"} | {flag: converted.spec}
    flags = [word for name, spec in data.items() for word in (f"--{name}", spec)]
    command = shlex.join(["python", "train.py", *flags, "--classes", str(converted.classes)])
    print(f"wrote {config.output.absolute()}. To train with it:\n{command}")


if __name__ == "__main__":
    run(main, Config)
