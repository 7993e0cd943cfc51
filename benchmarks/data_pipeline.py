"""Measure the throughput of the data pipeline in augmented images per second, optionally against a peer.

    python benchmarks/data_pipeline.py --data VOCdevkit/VOC2007:train --image-size 640

Prints one JSON line. The peer is a command that prints a JSON line with `images_per_s`. Our pipeline and the
peer run alternately, because the speed of a machine drifts.
"""

import cProfile
import pstats
import statistics
import time
from dataclasses import dataclass, replace
from importlib.metadata import version

import cv2
import torch
from harness import print_result, run_command

from utils.augment.settings import Augmentation
from utils.data.index import DatasetIndex
from utils.formats.read_data import read_data
from utils.loader.image_cache import ImageCache, decoded_bytes
from utils.loader.loader import training_loader
from utils.loader.train_dataset import TrainDataset
from utils.system.cli import ROOT, run

STAGES = {  # stages that take most of the time, and the function of each
    "read the file": "<built-in method numpy.fromfile>",
    "decode": "<imdecode>",
    "resize into place": "<resize>",
    "colour": "<transform>",
    "mirror": "<flip>",
    "pad": "fill_around",
}


@dataclass(frozen=True)
class Config:
    """Settings of the data pipeline benchmark."""

    data: str = f"{ROOT / 'VOCdevkit' / 'VOC2007'}:train"  # list file, VOC folder:split, or COCO JSON:images
    image_size: int = 640  # side of the square input in pixels
    batch_size: int = 16  # images per batch
    workers: int = 0  # worker processes; 0 loads in the main process
    cache: bool = False  # cache decoded images in memory
    images: int = 208  # smallest number of images per repetition
    repeats: int = 5  # repetitions, whose median is reported
    stages: bool = False  # also measure the time of each stage
    peer: str = ""  # command that prints a JSON line with images_per_s, a number or {"median": ...}
    peer_name: str = ""  # name of the peer


def main(config: Config) -> None:
    """Measure our pipeline and the peer alternately, and print the medians."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    index = read_data(config.data)
    images_per_second(config, index)  # warm up the file cache
    ours, peer = [], []
    for _ in range(config.repeats):
        ours.append(images_per_second(config, index))
        if config.peer:
            peer.append(peer_images_per_second(config.peer))
    report(config, statistics.median(ours), statistics.median(peer) if peer else None)
    if config.stages:
        for stage, milliseconds in stage_milliseconds(config, index).items():
            report(config, milliseconds, None, stage)


def images_per_second(config: Config, index: DatasetIndex) -> float:
    """Measure one repetition: enough whole epochs, after one epoch that starts the workers."""
    dataset = dataset_of(config, index)
    loader, batches = training_loader(dataset, config.batch_size, config.workers)
    for _ in loader:
        pass
    loaded, epoch, start = 0, 0, time.perf_counter()
    while loaded < config.images:
        epoch += 1
        batches.set_epoch(epoch)
        loaded += sum(len(batch.images) for batch in loader)
    return loaded / (time.perf_counter() - start)


def dataset_of(config: Config, index: DatasetIndex) -> TrainDataset:
    """Return the data set to measure."""
    dataset = TrainDataset(index, [(config.image_size, config.image_size)], Augmentation())
    if not config.cache:
        return dataset
    files = [index.path(number) for number in range(len(index))]
    return replace(dataset, cache=ImageCache([decoded_bytes(file, dataset.reduction) for file in files]))


def stage_milliseconds(config: Config, index: DatasetIndex) -> dict[str, float]:
    """Measure the milliseconds per image of each stage with Python's profiler, in the main process."""
    dataset, profile = dataset_of(config, index), cProfile.Profile()
    loader, batches = training_loader(dataset, config.batch_size)
    images = 0
    for epoch in range(1 + config.repeats):
        batches.set_epoch(epoch)
        if epoch == 1:  # the first epoch fills the caches
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
    """Run the peer's command and return the throughput that it prints."""
    speed = run_command(command)["images_per_s"]
    return float(speed["median"] if isinstance(speed, dict) else speed)


def report(config: Config, ours: float, peer: float | None, stage: str = "") -> None:
    """Print the result of the whole pipeline, or of one stage."""
    cached = ", cached" if config.cache else ""
    more = {"stage": stage} if stage else {}
    print_result(
        "data_pipeline",
        f"mosaic {config.image_size} px, batch {config.batch_size}, {config.workers} workers{cached}",
        ours,
        "ms/image" if stage else "images/s",
        digits=2 if stage else 1,
        peer=peer,
        peer_name=config.peer_name or None,
        ratio=None if peer is None else ours / peer,
        versions={"torch": torch.__version__, "opencv": cv2.__version__, "numpy": version("numpy")},
        **more,
    )


if __name__ == "__main__":
    run(main, Config)
