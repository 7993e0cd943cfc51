"""Choose anchors for a data set: python kmeans_anchors.py --data 2007_train.txt --model yolov3

Prints how well the model's own anchors fit the boxes, finds better ones by k-means, and writes them to a file
for `train.py --anchors`. Give the image size that you train with.
"""

import utils.system.quiet_imports  # noqa: F401

from dataclasses import dataclass
from pathlib import Path

from nets import stride_of
from utils.data.class_names import DEFAULT_CLASSES, read_classes
from utils.data.summary import print_notes
from utils.data.types import Size
from utils.formats.read_data import read_data, require_boxes
from utils.models.anchor_fit import advice, fit_text
from utils.models.anchor_kmeans import anchor_fit, box_sizes, kmeans_anchors, to_array, to_levels
from utils.models.choose import anchors_of, anchors_text, choose_model
from utils.system.cli import ROOT, run
from utils.system.files import require_writable, write_text
from utils.system.settings import NonNegativeInt, check_ranges
from utils.system.validation import check_image_size


@dataclass(frozen=True)
class Config:
    """Choose anchors for a data set."""

    data: str = str(ROOT / "2007_train.txt")  # training data: list file, VOC2007:train, a.json:images/
    classes: Path = DEFAULT_CLASSES  # class names, one per line
    model: str = "yolov3"  # model to fit anchors for; help lists them all
    backbone: str = ""  # replacement backbone of the model
    neck: str = ""  # replacement neck
    head: str = ""  # replacement head
    image_size: Size | None = None  # input height and width in pixels; default: the model's own
    output: Path = ROOT / "model_data" / "yolo_anchors.txt"  # file to write
    overwrite: bool = False  # replace an existing file
    seed: NonNegativeInt = 0  # random seed of k-means; another may find slightly better or worse anchors


def main(config: Config) -> None:
    """Evaluate the model's anchors, find better ones, and advise whether to use them."""
    check_ranges(config)
    require_writable(config.output.absolute().parent)
    if config.output.exists() and not config.overwrite:
        raise ValueError(f"{config.output} exists: choose another --output, or replace it with --overwrite")
    model = choose_model(config.model, config.backbone, config.neck, config.head)
    own = anchors_of(model)
    image_size = config.image_size or model.image_size
    check_image_size(image_size, stride_of(model), model.smallest)
    index = read_data(config.data, read_classes(config.classes))
    print_notes(index)
    require_boxes(index, config.data)
    sizes = box_sizes(index, image_size)
    if len(sizes) == 0:
        raise ValueError(f"{config.data}: no image with a box can be read, so their sizes are not known")
    print(f"{len(sizes):,} boxes of {len(index):,} images, at {image_size[0]} x {image_size[1]}")

    found = to_levels(kmeans_anchors(sizes, len(to_array(own)), config.seed), len(own))
    before, after = (anchor_fit(sizes, to_array(anchors)) for anchors in (own, found))
    print(f"anchors of {model.name}: {fit_text(before)}\n  {anchors_text(own).strip()}")
    print(f"anchors by k-means: {fit_text(after)}\n  {anchors_text(found).strip()}")
    print(advice(before, after))
    write_text(config.output, anchors_text(found))
    print(
        f"wrote {config.output}; to train with them: "
        f"python train.py --model {model.name} --anchors {config.output}"
    )


if __name__ == "__main__":
    run(main, Config)
