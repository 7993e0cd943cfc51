"""Detects on all images of a data set, in batches, in one process or several."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor
from tqdm import tqdm

from nets.common.structures import Targets
from utils.data.detections import Detections
from utils.data.index import DatasetIndex
from utils.data.types import Size
from utils.inference.detect import DetectorLike, DetectSettings, detect_batch
from utils.loader.batch import batch_to_device
from utils.loader.eval_dataset import EvalDataset
from utils.loader.loader import evaluation_loader
from utils.system.device import autocasting
from utils.system.distributed import Processes
from utils.system.stopwatch import Stopwatch

Losses = Callable[[Tensor, Targets], dict[str, Tensor]]


class DatasetDetections(NamedTuple):
    """Detections on each image of a data set, in the data set's order, and the unreadable files.

    An unreadable file has no detections: all its objects count as missed.

    losses  mean losses by component; empty if not requested
    watch   time spent waiting for data, in the network and in NMS
    """

    detections: list[Detections]
    skipped: list[str]
    losses: dict[str, float]
    watch: Stopwatch


@torch.inference_mode()
def detect_dataset(
    detector: DetectorLike,
    index: DatasetIndex,
    image_size: Size,
    batch_size: int,
    workers: int,
    settings: DetectSettings,
    losses: Losses | None = None,
    processes: Processes | None = None,
) -> DatasetDetections:
    """Detect on every image of a data set, letterboxed to `image_size`, in batches.

    With `losses`, a method of the detector, mean losses are computed too. With several processes, each one
    detects on a part of the images, and all get the whole result.
    """
    processes = processes or Processes()
    device = detector.device
    pixels = detector.pixels
    stride = detector.stride if settings.rectangular else None
    dataset = EvalDataset(index, image_size, pixels.pad_value, pixels.pad_centred, stride)
    pinned = device.type == "cuda"
    loader = evaluation_loader(dataset, batch_size, workers, pinned, processes.rank, processes.world_size)
    found: dict[int, Detections] = {}
    skipped: list[str] = []
    sums: dict[str, Tensor] = {}
    watch = Stopwatch("loading", device=device)
    hidden = None if processes.first else True
    batches = iter(tqdm(loader, desc="detecting", leave=False, dynamic_ncols=True, disable=hidden))
    while True:
        with watch.timed("loading"):
            if (batch := next(batches, None)) is None:
                break
            images, targets = batch_to_device(batch, device)
        detections = detect_batch(detector, images, batch.letterboxes, settings, watch)
        found |= zip(batch.image_numbers.tolist(), detections, strict=True)
        skipped += batch.skipped
        if losses is not None:
            with autocasting(device, settings.autocast):
                batch_losses = losses(images, targets)
            sums = {name: sums.get(name, 0) + loss * len(images) for name, loss in batch_losses.items()}
    share = found, skipped, {name: float(value) for name, value in sums.items()}
    shares = processes.gather(share)
    found = {number: detections for part, _, _ in shares for number, detections in part.items()}
    skipped = [path for _, part, _ in shares for path in part]
    totals = [part for _, _, part in shares if part]  # a process may have had no image
    means = {name: sum(part[name] for part in totals) / len(index) for name in (totals or [{}])[0]}
    return DatasetDetections([found[number] for number in range(len(index))], skipped, means, watch)
