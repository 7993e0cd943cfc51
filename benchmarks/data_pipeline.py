"""Measure how many augmented images a second the data pipeline makes, beside a peer's if one is named.

    python benchmarks/data_pipeline.py --data VOCdevkit/VOC2007:train --image-size 640

Prints one JSON line. The peer is a command of yours that prints a JSON line with `images_per_s`; it is run in
turn with ours, because a machine's speed drifts.
"""

import cProfile
import json
import platform
import pstats
import statistics
import sys
import time
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path

import cv2
import torch

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from peers import said_by

from utils.augment.settings import Augmentation
from utils.data.index import DatasetIndex
from utils.formats.read_data import read_data
from utils.loader.image_cache import ImageCache, decoded_bytes
from utils.loader.loader import training_loader
from utils.loader.train_dataset import DetectionDataset
from utils.system.cli import ROOT, run

STAGES = {  # the functions that take the time
    "read the file": "<built-in method numpy.fromfile>",
    "decode": "<imdecode>",
    "resize into place": "<resize>",
    "colour": "<transform>",
    "mirror": "<flip>",
    "pad": "fill_around",
}


@dataclass(frozen=True)
class Config:
    """What is measured."""

    data: str = f"{ROOT / 'VOCdevkit' / 'VOC2007'}:train"  # list file, VOC folder:split, or COCO JSON:images
    image_size: int = 640  # side of the square input in pixels
    batch_size: int = 16  # images a batch
    workers: int = 0  # worker processes; 0 makes the batches in this one
    cache: bool = False  # keep decoded images in memory
    images: int = 208  # at least so many images a repeat
    repeats: int = 5  # repeats, of which the median counts
    stages: bool = False  # also say how long each stage takes
    peer: str = ""  # command that prints a JSON line with images_per_s, a number or {"median": ...}
    peer_name: str = ""  # what to call the peer


def main(config: Config) -> None:
    """Measure ours and the peer in turn and print the medians."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    index = read_data(config.data)
    images_per_second(config, index)  # warms the file cache
    ours, peer = [], []
    for _ in range(config.repeats):
        ours.append(images_per_second(config, index))
        if config.peer:
            peer.append(peer_images_per_second(config.peer))
    print(json.dumps(result(config, statistics.median(ours), statistics.median(peer) if peer else None)))
    if config.stages:
        for stage, milliseconds in stage_milliseconds(config, index).items():
            line = result(config, 0, None) | {
                "ours": round(milliseconds, 2),
                "unit": "ms/image",
                "stage": stage,
            }
            print(json.dumps(line))


def images_per_second(config: Config, index: DatasetIndex) -> float:
    """One repeat: whole epochs until there are enough images, after a first one that starts the workers."""
    dataset = dataset_of(config, index)
    loader, batches = training_loader(dataset, config.batch_size, config.workers)
    for _ in loader:
        pass
    made, epoch, start = 0, 0, time.perf_counter()
    while made < config.images:
        epoch += 1
        batches.set_epoch(epoch)
        made += sum(len(batch.images) for batch in loader)
    return made / (time.perf_counter() - start)


def dataset_of(config: Config, index: DatasetIndex) -> DetectionDataset:
    """The data set as it is measured."""
    dataset = DetectionDataset(index, [(config.image_size, config.image_size)], Augmentation())
    if not config.cache:
        return dataset
    files = [index.path(image) for image in range(len(index))]
    return replace(dataset, cache=ImageCache([decoded_bytes(file, dataset.reduction) for file in files]))


def stage_milliseconds(config: Config, index: DatasetIndex) -> dict[str, float]:
    """Milliseconds an image takes in each stage, in this process, as Python's profiler has them."""
    dataset, profile = dataset_of(config, index), cProfile.Profile()
    loader, batches = training_loader(dataset, config.batch_size)
    images = 0
    for epoch in range(1 + config.repeats):
        batches.set_epoch(epoch)
        if epoch == 1:  # after one that fills caches
            profile.enable()
        images += sum(len(batch.images) for batch in loader) * (epoch > 0)
    profile.disable()
    entries = pstats.Stats(profile).stats.items()  # type: ignore[attr-defined]
    own = {
        name: sum(row[2] for key, row in entries if key[2] == function) for name, function in STAGES.items()
    }
    total = sum(row[2] for _, row in entries)
    return {name: 1000 * t / images for name, t in (own | {"the rest": total - sum(own.values())}).items()}


def peer_images_per_second(command: str) -> float:
    """Run the peer's command and take the figure from its last line."""
    figure = said_by(command)["images_per_s"]
    return float(figure["median"] if isinstance(figure, dict) else figure)


def result(config: Config, ours: float, peer: float | None) -> dict[str, object]:
    """The JSON line that every benchmark prints."""
    return {
        "bench": "data_pipeline",
        "case": f"mosaic {config.image_size} px, batch {config.batch_size}, {config.workers} workers"
        + (", cached" if config.cache else ""),
        "ours": round(ours, 1),
        "peer": None if peer is None else round(peer, 1),
        "peer_name": config.peer_name or None,
        "unit": "images/s",
        "ratio": None if peer is None else round(ours / peer, 2),
        "versions": {
            "python": platform.python_version(),
            "torch": torch.__version__,
            "opencv": cv2.__version__,
            "numpy": version("numpy"),
        },
    }


if __name__ == "__main__":
    run(main, Config)
