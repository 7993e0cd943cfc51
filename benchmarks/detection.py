"""Measure the speed and the figures of a detector on a data set, by batch size and number format.

    python benchmarks/detection.py --weights yolox_nano_coco.pth --data instances.json:images/

Prints one JSON line for each batch size and format, measured in turn, because a machine's speed drifts.
"""

import json
import platform
import statistics
import sys
import time
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from utils.evaluate.evaluator import evaluate
from utils.evaluate.metrics import Metrics
from utils.formats.read_data import read_data
from utils.inference.detect import DetectSettings
from utils.inference.detect_dataset import detect_dataset
from utils.predict.trained_detector import load_trained, ready_for_inference
from utils.system.cli import run
from utils.system.device import Amp, choose_device
from utils.system.memory import keep_freed_memory


@dataclass(frozen=True)
class Config:
    """What is measured."""

    weights: Path  # a checkpoint of train.py, or other weights
    data: str  # list file, VOC folder:split, or COCO JSON:images
    batch_sizes: tuple[int, ...] = (1, 4, 8, 16, 32)  # images at a time
    amp: tuple[Amp, ...] = ("off", "bf16")  # number formats
    rectangular: bool = False  # cut batches to the shapes of their images
    nms_iou: float = 0.5  # of two boxes of a class that overlap more than this, the better one stays
    workers: int = 0  # processes that load images
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    repeats: int = 5  # repeats, of which the median counts
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them


def main(config: Config) -> None:
    """Measure all cases in turn and print the medians."""
    keep_freed_memory()  # as get_map.py does
    device = choose_device(config.device)
    trained = load_trained(config.weights, device, model=config.model, classes=config.classes)
    # as get_map.py does
    made_ready = {amp: ready_for_inference(trained, amp, check=False) for amp in config.amp}
    index = read_data(config.data, trained.class_names)

    def once(batch_size: int, amp: Amp) -> tuple[float, Metrics]:
        settings = DetectSettings(
            nms_iou=config.nms_iou, autocast=made_ready[amp].autocast, rectangular=config.rectangular
        )
        start = time.perf_counter()
        found = detect_dataset(
            made_ready[amp].detector, index, trained.image_size, batch_size, config.workers, settings
        )
        if found.skipped:
            raise ValueError(f"{len(found.skipped)} images cannot be read, for example {found.skipped[0]}")
        return len(index) / (time.perf_counter() - start), evaluate(found.detections, index)

    cases = list(product(config.batch_sizes, config.amp))
    speeds: dict[tuple[int, Amp], list[float]] = {case: [] for case in cases}
    figures = {case: once(*case)[1] for case in cases}  # warms the file cache and the kernels too
    for _ in range(config.repeats):
        for case in cases:
            speeds[case].append(once(*case)[0])
    for batch_size, amp in cases:
        metrics = figures[batch_size, amp]
        line = {
            "bench": "detection",
            "case": f"{trained.model_name}, batch {batch_size}, {amp}",
            "ours": round(statistics.median(speeds[batch_size, amp]), 2),
            "peer": None,
            "peer_name": None,
            "unit": "images/s",
            "ratio": None,
            "map50_95": metrics.map50_95,
            "map50": metrics.map50,
            "versions": {"torch": version("torch"), "python": platform.python_version()},
        }
        print(json.dumps(line))


if __name__ == "__main__":
    torch.manual_seed(0)
    run(main, Config)
