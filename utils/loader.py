"""Loaders: which pictures make up which batch, and the worker processes that prepare them."""

import signal
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any, TypeVar

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from utils.batch import Batch
from utils.evaluation_dataset import EvaluationDataset, by_shape
from utils.lasting_loader import LastingLoader
from utils.tiles import Size
from utils.training_dataset import POOL, DetectionDataset, SampleKey

T = TypeVar("T")


class EpochBatches(Sampler[list[SampleKey]]):
    """Batches of keys, shuffled anew in each epoch by nothing but the seed and the epoch.

    The epoch travels to the workers inside the keys, so workers can stay alive from epoch to epoch. Every
    image comes once an epoch, except those of a last batch that is not full: it is left out, unless it is the
    only one. With several processes each gets its own share of every batch, `batch_size` images.

    sizes  what the input's (height, width) is drawn from for each batch, alike in all processes
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        sizes: Sequence[Size],
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.length, self.batch_size, self.seed, self.sizes = length, batch_size, seed, sizes
        self.rank, self.world_size = rank, world_size
        self.epoch, self.first_batch = 0, 0

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Say which epoch the next iteration is, and with which of its batches it starts (when resuming)."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return max(1, self.length // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[SampleKey]]:
        sizes = np.random.default_rng([self.seed, self.epoch, 1]).integers(len(self.sizes), size=len(self))
        order = np.random.default_rng([self.seed, self.epoch]).permutation(self.length)
        if self.length < self.world_size:  # each process needs something to do
            order = np.resize(order, self.world_size)
        together = self.batch_size * self.world_size
        for batch in range(self.first_batch, len(self)):
            images = order[batch * together : (batch + 1) * together]
            size = self.sizes[sizes[batch]]
            keys = [SampleKey(self.epoch, *rest) for rest in _with_pools(images, size)]
            start, end = (len(keys) * rank // self.world_size for rank in (self.rank, self.rank + 1))
            yield keys[start:end]


def _with_pools(images: np.ndarray, size: Size) -> Iterator[tuple[int, Size, tuple[int, ...]]]:
    """Each image with the size and the part of the batch that its mosaics are made of.

    Parts are small, so that a process which has a part of a batch does not read the whole, and depend on the
    batch alone, so that they are the same however many processes there are.
    """
    for part in np.array_split(images, max(1, len(images) // POOL)):
        pool = tuple(part.tolist())
        yield from ((image, size, pool) for image in pool)


class OrderedBatches(Sampler[list[int]]):
    """Batches of the image numbers in their order, the last perhaps smaller.

    With several processes each gets whole batches, so that they are the same as in one process.
    """

    def __init__(self, images: Sequence[int], batch_size: int, rank: int = 0, world_size: int = 1) -> None:
        self.images, self.batch_size = images, batch_size
        self.starts = range(0, len(images), batch_size)[rank::world_size]

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[list[int]]:
        for start in self.starts:
            yield list(self.images[start : start + self.batch_size])


def training_sizes(size: Size, stride: int, multi_scale: float, smallest: int = 1) -> list[Size]:
    """The sizes that `multi_scale` lets batches have around `size`, (height, width): multiples of `stride`.

    As many smaller as larger ones, in steps of the stride along the shorter side; none is below `smallest`.
    """
    shorter = min(size)
    steps = int(multi_scale * shorter / stride)
    scales = [1 + step * stride / shorter for step in range(-steps, steps + 1)]
    sizes = [tuple(max(stride, round(side * scale / stride) * stride) for side in size) for scale in scales]
    return [(height, width) for height, width in sizes if min(height, width) >= smallest]


def training_loader(
    dataset: DetectionDataset,
    batch_size: int,
    workers: int = 0,
    pin_memory: bool = False,
    rank: int = 0,
    world_size: int = 1,
) -> tuple[LastingLoader[SampleKey], EpochBatches]:
    """A loader of shuffled training batches, and its batches: call `set_epoch` on them before each epoch.

    `batch_size` is that of one process. Raises `ValueError` if there is no picture at all.
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
) -> LastingLoader[int]:
    """A loader of every picture in order, the last batch perhaps smaller.

    Where batches are cut to their pictures, in the order of the pictures' shapes.
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
) -> LastingLoader[T]:
    return LastingLoader(dataset, batches, workers, partial(_with_workers, pin_memory))


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
        raise ValueError("the data set has no pictures; look into its list file or its folder of pictures")
