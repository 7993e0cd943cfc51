"""Convert COCO annotations into a list file for training, with a class list beside it.

    python coco_annotation.py --annotations instances_train.json --images train/ --output coco_train.txt

Training also reads COCO annotations directly (`--train instances_train.json:train/`); the list is for
editing by hand. Write the validation list with the `--classes` of the training list.
"""

import utils.system.quiet_imports  # noqa: F401

from dataclasses import dataclass
from pathlib import Path

from utils.data.class_names import read_classes, write_classes
from utils.data.index import select_boxes
from utils.data.summary import count_table, print_notes
from utils.formats.coco import read_coco
from utils.formats.list_file import write_list
from utils.formats.read_data import require_boxes, require_images
from utils.system.cli import ROOT, run
from utils.system.files import require_writable


@dataclass(frozen=True)
class Config:
    """Convert COCO JSON to a list file: an image and its boxes per line."""

    annotations: Path = ROOT / "coco_dataset" / "annotations" / "instances_train2017.json"  # COCO JSON file
    images: Path = ROOT / "coco_dataset" / "train2017"  # folder with the images
    output: Path = ROOT / "coco_train.txt"  # list file to write: an image and its boxes per line
    classes: Path | None = None  # class names, one per line, in class order; default: those of the JSON


def main(config: Config) -> None:
    require_writable(config.output.absolute().parent)
    given = read_classes(config.classes) if config.classes else None
    index = read_coco(config.annotations, config.images, given)
    require_images(index, str(config.annotations))
    print_notes(index)
    require_boxes(index, str(config.annotations))
    kept = select_boxes(index, ~index.crowd)  # a list file has no crowd flag
    print(count_table({config.output.stem: kept}, {"crowds, skipped": [int(index.crowd.sum())]}))
    if given is None:
        _write_classes(config.output.with_name(f"{config.output.stem}_classes.txt"), index.class_names)
    write_list(config.output, kept)
    print(f"wrote {config.output.absolute()}: {len(kept)} images, {len(kept.boxes)} objects")


def _write_classes(path: Path, names: tuple[str, ...]) -> None:
    if path.exists() and read_classes(path) != names:
        raise ValueError(f"{path} contains other classes than the JSON: give --classes {path}, or remove it")
    write_classes(path, names)
    print(f"wrote {path.absolute()}: {len(names)} classes")


if __name__ == "__main__":
    run(main, Config)
