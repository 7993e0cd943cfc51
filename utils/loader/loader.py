"""Data loaders: batches prepared by worker processes."""

import signal
from functools import partial
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from utils.loader.batch import Batch
from utils.loader.eval_dataset import EvaluationDataset, by_shape
from utils.loader.samplers import EpochBatches, OrderedBatches
from utils.loader.train_dataset import DetectionDataset, SampleKey
from utils.loader.worker_recovery import RecoveringLoader

T = TypeVar("T")


def training_loader(
    dataset: DetectionDataset,
    batch_size: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[RecoveringLoader[SampleKey], EpochBatches]:
    """A loader of shuffled training batches, and its batches: call `set_epoch` on them before each epoch.

    `batch_size` is that of one process. Raises `ValueError` if there is no image at all.
    """
    _require_images(dataset)
    batches = EpochBatches(len(dataset), batch_size, dataset.seed, dataset.sizes, rank, world_size)
    return _loader(dataset, batches, workers, pin_memory), batches


def evaluation_loader(
    dataset: EvaluationDataset,
    batch_size: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> RecoveringLoader[int]:
    """A loader of every image in order, the last batch perhaps smaller.

    Where batches are cut to their images, in the order of the images' shapes.
    """
    _require_images(dataset)
    images = range(len(dataset)) if dataset.stride is None else by_shape(dataset.index)
    return _loader(dataset, OrderedBatches(images, batch_size, rank, world_size), workers, pin_memory)


def automatic_workers(cores: int, cuda: bool) -> int:
    """How many worker processes suit a machine. Where the CPU also trains, they must leave it its cores.

    A worker that takes a core from a network makes all the network's threads wait for that core: on two
    cores, loading in the training process itself is faster.
    """
    return min(12, max(1, cores - 1)) if cuda else min(2, cores // 4)


def _loader(
    dataset: Dataset[Batch], batches: Sampler[list[T]], workers: int, pin_memory: bool
) -> RecoveringLoader[T]:
    return RecoveringLoader(dataset, batches, workers, partial(_with_workers, pin_memory))


def _with_workers(
    pin_memory: bool, dataset: Dataset[Batch], batches: Sampler[list[T]], workers: int
) -> DataLoader[Batch]:
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=_as_it_is,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers > 0 else None,
        generator=torch.Generator(),  # it draws a seed for each epoch: not from the numbers of the networks
    )


def _as_it_is(batch: Any) -> Any:
    return batch  # the data set has made it whole


def _start_worker(_worker: int) -> None:
    """One thread a worker: there are several workers, and threads after a fork can hang in OpenCV.

    Ctrl+C reaches all processes of a terminal. What it means is the main one's to say, which still wants its
    batches when it finishes a step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _require_images(dataset: DetectionDataset | EvaluationDataset) -> None:
    if len(dataset) == 0:
        raise ValueError("the data set has no images; look into its list file or its folder of images")
