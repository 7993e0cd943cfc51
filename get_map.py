"""Measure a detector: python get_map.py --weights logs/RUN/best.pt --data VOCdevkit/VOC2007:test

Prints VOC and COCO average precision, and writes metrics.json, the same as a table, and curves.
"""

import json
import os
from dataclasses import dataclass
from pathlib import Path

import torch

from utils.cli import ROOT, run
from utils.curves import write_curves
from utils.data_spec import read_many, require_boxes, require_images
from utils.device import Amp, choose_autocast, choose_device, describe_device
from utils.evaluator import evaluate
from utils.inference import DetectSettings, detect_dataset
from utils.loader import automatic_workers
from utils.predictor import load_trained
from utils.preflight import check_values
from utils.text_file import write_text


@dataclass(frozen=True)
class Config:
    """Measure a detector on a data set."""

    weights: Path  # a checkpoint of train.py, other weights, or pretrained with --model
    data: tuple[str, ...] = (str(ROOT / "2007_val.txt"),)  # lists, VOC2007:test, a.json:images/, ...
    min_overlap: float = 0.5  # overlap with an object that a correct box needs, in all but the COCO figures
    confidence: float = 0.001  # least score of a box; small, since AP is measured over all thresholds
    score_threshold: float = 0.5  # the confidence that precision, recall and F1 are reported for
    nms_iou: float = 0.5  # of two boxes of a class that overlap more than this, the better one stays
    max_detections: int = 300  # most boxes on one image
    output: Path = Path("map_out")  # folder for metrics.json, metrics.txt and the curves
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    batch_size: int = 8  # pictures at a time
    rectangular: bool = False  # cut batches to the shapes of their pictures: faster, figures nearly the same
    workers: int | None = None  # processes that load pictures; by default chosen by the machine
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    amp: Amp = "auto"  # 16-bit floats where they are fast: auto, off, bf16 or fp16
    seed: int = 0  # for what a model may draw at random; the networks here draw nothing


def main(config: Config) -> None:
    """Detect on every image, compare with the objects, print and write the figures."""
    check_values(vars(config), {"at least 1": ("batch_size", "max_detections"), "at least 0": ("workers",)})
    torch.manual_seed(config.seed)
    device = choose_device(config.device)
    autocast = choose_autocast(config.amp, device)
    print(describe_device(device, autocast))
    trained = load_trained(
        config.weights, device, model=config.model, classes=config.classes, image_size=config.image_size
    )
    index = read_many(config.data, trained.class_names)
    require_images(index, ", ".join(config.data))
    require_boxes(index, ", ".join(config.data))
    found = detect_dataset(
        trained.detector,
        index,
        trained.image_size,
        config.batch_size,
        automatic_workers(os.cpu_count() or 1, device.type == "cuda")
        if config.workers is None
        else config.workers,
        DetectSettings(
            config.confidence, config.nms_iou, config.max_detections, autocast, config.rectangular
        ),
    )
    metrics = evaluate(
        found.detections, index, min_overlap=config.min_overlap, score_threshold=config.score_threshold
    )
    for path in found.skipped:
        print(f"cannot be read, counted as nothing found: {path}")
    print(metrics.table())
    write_text(
        config.output / "metrics.json", json.dumps(metrics.to_json(), indent=2, ensure_ascii=False) + "\n"
    )
    write_text(config.output / "metrics.txt", metrics.table() + "\n")
    write_curves(metrics.curves, metrics.class_names, config.output)
    print(f"written: {config.output / 'metrics.json'}, metrics.txt and curves beside it")


if __name__ == "__main__":
    run(main, Config)
