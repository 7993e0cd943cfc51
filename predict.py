"""Find objects on pictures: python predict.py photos/ --weights logs/RUN/best.pt

Takes files, folders (with the folders below) and patterns. Pictures with boxes are always saved.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import torch
import tyro
from tqdm import tqdm

from utils.cli import run
from utils.detections import Detections
from utils.device import Amp
from utils.drawing import draw_detections, save_image, show_image
from utils.image import ImageError, read_image
from utils.predictor import Predictor, explain_empty
from utils.preflight import check_values
from utils.results import count_classes, output_names, results_json, save_crops, save_json, save_text
from utils.sources import find_images
from utils.thresholds import Confidence, describe


@dataclass(frozen=True)
class Config:
    """Find objects on pictures."""

    source: Annotated[tuple[str, ...], tyro.conf.Positional]  # pictures: files, folders or patterns
    weights: Path  # a checkpoint of train.py, other weights, or pretrained with --model
    confidence: Confidence = None  # least score of a box; best (default, else .5), best-by-class: as stored
    nms_iou: float = 0.3  # of two boxes of a class that overlap more than this, the better one stays
    output: Path = Path("predictions")  # folder for the results
    batch_size: int = 8  # pictures at a time
    save_txt: bool = False  # write a text file for each picture: class score left top right bottom
    save_json: bool = False  # write results.json with all boxes
    crop: bool = False  # save what is within each box, in a folder for each class
    count: bool = False  # print how many of each class there are on each picture
    show: bool = False  # show each result in a window; needs a display
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # for what a model may draw at random; the networks here draw nothing


def main(config: Config) -> None:
    """Detect on every picture in batches, and save what was asked for."""
    check_values(vars(config), {"at least 1": ("batch_size",)})
    torch.manual_seed(config.seed)
    paths = pictures_to_read(config)
    predictor = Predictor(
        config.weights,
        model=config.model,
        classes=config.classes,
        image_size=config.image_size,
        device=config.device,
        amp=config.amp,
        confidence=config.confidence,
        nms_iou=config.nms_iou,
    )
    print(describe(predictor.confidences, predictor.class_names))
    done: list[Path] = []
    found: list[Detections] = []
    names = dict(zip(paths, output_names(paths), strict=True))
    for path, image, detections in detect_files(predictor, paths, config.batch_size):
        save_result(config, predictor.class_names, names[path], image, detections)
        done.append(path)
        found.append(detections)
        if config.count or not len(detections):
            counts = count_classes([detections], predictor.class_names)
            text = ", ".join(f"{name} {number}" for name, number in counts.items())
            tqdm.write(
                f"{path}: {text or explain_empty(detections, predictor.confidences, predictor.class_names)}"
            )
    if not done:
        raise ValueError("none of the pictures could be read")
    if config.save_json:
        save_json(config.output / "results.json", results_json(done, found, predictor.class_names))
    total = count_classes(found, predictor.class_names)
    print(f"{len(done)} pictures, {sum(total.values())} objects: {total}")
    print(f"saved in {config.output}")


def pictures_to_read(config: Config) -> list[Path]:
    """The pictures of the sources, without earlier results; ValueError if a result would replace one."""
    output = config.output.resolve()
    paths = [path for path in find_images(config.source) if output not in path.resolve().parents]
    if not paths:
        raise ValueError(
            f"all pictures lie in {config.output}, where the results go: choose another --output"
        )
    return paths


def detect_files(
    predictor: Predictor, paths: Sequence[Path], batch_size: int
) -> Iterator[tuple[Path, np.ndarray, Detections]]:
    """Path, picture and detections of each file that can be read; the others are named and passed over."""
    for start in tqdm(
        range(0, len(paths), batch_size), desc="detecting", unit="batch", leave=False, disable=None
    ):
        readable, images = [], []
        for path in paths[start : start + batch_size]:
            try:
                images.append(read_image(path))
                readable.append(path)
            except ImageError as error:
                tqdm.write(f"skipped: {error}")
        yield from zip(readable, images, predictor.detect(images), strict=True)


def save_result(
    config: Config, class_names: Sequence[str], name: str, image: np.ndarray, detections: Detections
) -> None:
    """Save the picture with its boxes, and text and crops where asked for."""
    drawn = draw_detections(image, detections, class_names)
    save_image(config.output / f"{name}.jpg", drawn)
    if config.save_txt:
        save_text(config.output / "labels" / f"{name}.txt", detections, class_names)
    if config.crop:
        save_crops(config.output / "crops", name, image, detections, class_names)
    if config.show:
        show_image(name, drawn)


if __name__ == "__main__":
    run(main, Config)
