"""Measure the speed and the mAP of a detector on a data set for each batch size and precision.

    python benchmarks/detection.py --weights yolox_nano_coco.pth --data instances.json:images/

Prints one JSON line per batch size and precision. These cases run alternately, because the speed of a machine
drifts.
"""

import statistics
import time
from dataclasses import dataclass
from importlib.metadata import version
from itertools import product
from pathlib import Path

import torch
from harness import print_result

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
    """Settings of the detection benchmark."""

    weights: Path  # a checkpoint of train.py, or other weights
    data: str  # list file, VOC folder:split, or COCO JSON:images
    batch_sizes: tuple[int, ...] = (1, 4, 8, 16, 32)  # images per batch
    amp: tuple[Amp, ...] = ("off", "bf16")  # precisions
    rectangular: bool = False  # rectangular batches, cropped to the shapes of their images
    nms_iou: float = 0.5  # NMS: suppress boxes whose IoU with a better one of the class is above this
    workers: int = 0  # worker processes that load images
    device: str = "auto"  # auto, cpu, cuda or cuda:0
    repeats: int = 5  # repetitions, whose median is reported
    model: str | None = None  # model, for weights that do not contain its name
    classes: Path | None = None  # class names, one per line, for weights that do not contain them


def main(config: Config) -> None:
    """Measure all cases alternately, and print the medians."""
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
    metrics = {case: once(*case)[1] for case in cases}  # also warms up the file cache and the kernels
    for _ in range(config.repeats):
        for case in cases:
            speeds[case].append(once(*case)[0])
    for batch_size, amp in cases:
        print_result(
            "detection",
            f"{trained.model_name}, batch {batch_size}, {amp}",
            statistics.median(speeds[batch_size, amp]),
            "images/s",
            versions={"torch": version("torch")},
            map50_95=metrics[batch_size, amp].map50_95,
            map50=metrics[batch_size, amp].map50,
        )


if __name__ == "__main__":
    torch.manual_seed(0)
    run(main, Config)
