"""Data loaders with worker processes that prepare batches."""

import signal
from functools import partial
from typing import Any, TypeVar

import cv2
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from utils.loader.batch import Batch
from utils.loader.eval_dataset import EvalDataset, by_shape
from utils.loader.samplers import EpochBatches, OrderedBatches, batches_of
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.loader.worker_recovery import RecoveringLoader, can_start_workers

Key = TypeVar("Key")


def training_loader(
    dataset: TrainDataset,
    batch_size: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[RecoveringLoader[SampleKey], EpochBatches]:
    """Return a loader of shuffled training batches, and the sampler, to call `set_epoch` before each epoch.

    `batch_size` is per process. Raises `ValueError` if the data set is empty.
    """
    _require_images(dataset)
    batches = batches_of(dataset, batch_size, rank, world_size)
    return _loader(dataset, batches, workers, pin_memory), batches


def evaluation_loader(
    dataset: EvalDataset,
    batch_size: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> RecoveringLoader[int]:
    """Return a loader of all images in order; the last batch may be smaller.

    For rectangular batches, images are sorted by aspect ratio. Raises `ValueError` if the data set is empty.
    """
    _require_images(dataset)
    numbers = range(len(dataset)) if dataset.stride is None else by_shape(dataset.index)
    return _loader(dataset, OrderedBatches(numbers, batch_size, rank, world_size), workers, pin_memory)


def automatic_workers(cores: int, cuda: bool) -> int:
    """Return the number of worker processes for a machine; on a CPU, leave cores for training.

    A worker that takes a core from the network makes all other threads of the network wait for that core:
    with two cores, loading in the training process itself is faster.
    """
    return min(12, max(1, cores - 1)) if cuda else min(2, cores // 4)


def _loader(
    dataset: Dataset[Batch], batches: Sampler[list[Key]], workers: int, pin_memory: bool
) -> RecoveringLoader[Key]:
    if workers and not can_start_workers():
        print(
            f"--workers {workers}: no processes can be started here (is /dev/shm missing?), so there are none"
        )
        workers = 0
    return RecoveringLoader(dataset, batches, workers, partial(_with_workers, pin_memory))


def _with_workers(
    pin_memory: bool, dataset: Dataset[Batch], batches: Sampler[list[Key]], workers: int
) -> DataLoader[Batch]:
    collate: Any = _in_shared_memory if workers else _unchanged  # the data set returns complete batches
    return DataLoader(
        dataset,
        batch_sampler=batches,
        num_workers=workers,
        collate_fn=collate,
        pin_memory=pin_memory,
        worker_init_fn=_start_worker,
        persistent_workers=workers > 0,
        prefetch_factor=2 if workers > 0 else None,
        generator=torch.Generator(),  # seeds the workers without using the global generator
    )


def _unchanged(batch: Batch) -> Batch:
    return batch


def _in_shared_memory(batch: Batch) -> Batch:
    """Move a batch to shared memory, from which the main process takes it.

    PyTorch would do so in a thread of the worker that only prints its errors: where shared memory is full,
    the main process would wait for ever.
    """
    for tensor in (batch.images, *batch.targets, batch.image_numbers, *(batch.color_flip or ())):
        tensor.share_memory_()
    return batch


def _start_worker(_worker: int) -> None:
    """Limit a worker to one thread: there are several workers, and OpenCV's threads can hang after a fork.

    Ctrl+C reaches all processes of a terminal. Workers ignore it, because the main process handles it and
    still needs batches to finish its step.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    cv2.setNumThreads(0)
    torch.set_num_threads(1)


def _require_images(dataset: TrainDataset | EvalDataset) -> None:
    if len(dataset) == 0:
        raise ValueError("the data set has no images; check its list file or its folder of images")
