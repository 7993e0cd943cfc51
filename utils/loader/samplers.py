"""Samplers, which choose the images of each batch of an epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from utils.data.types import Size
from utils.loader.balance import occurrences, systematic_sample
from utils.loader.train_dataset import MIN_POOL_SIZE, SampleKey, TrainDataset


class EpochBatches(Sampler[list[SampleKey]]):
    """A sampler of batches of keys, shuffled in each epoch; batches depend only on the seed and the epoch.

    Keys contain the epoch, so workers can stay alive from epoch to epoch. Every image occurs once per epoch,
    but an incomplete last batch is dropped, unless it is the only batch. With several processes, each process
    gets `batch_size` images of every batch.

    sizes    input sizes; one is sampled per batch, the same in all processes
    factors  float64 [length], repeat factors; an epoch keeps its length, see utils/loader/balance.py
    images   images in an epoch, a random part of all; default: all
    """

    def __init__(
        self,
        length: int,
        batch_size: int,
        seed: int,
        sizes: Sequence[Size],
        rank: int = 0,
        world_size: int = 1,
        factors: np.ndarray | None = None,
        images: int | None = None,
    ) -> None:
        self.length, self.batch_size, self.seed, self.sizes = length, batch_size, seed, sizes
        self.rank, self.world_size, self.factors = rank, world_size, factors
        self.images = images or length
        self.epoch, self.first_batch = 0, 0

    def set_epoch(self, epoch: int, first_batch: int = 0) -> None:
        """Set the epoch of the next iteration, and the first batch to yield (when resuming)."""
        self.epoch, self.first_batch = epoch, first_batch

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch."""
        return max(1, self.images // (self.batch_size * self.world_size))

    def __iter__(self) -> Iterator[list[SampleKey]]:
        sizes = np.random.default_rng([self.seed, self.epoch, 1]).integers(len(self.sizes), size=len(self))
        order, repeats = self._order()
        global_batch_size = self.batch_size * self.world_size
        for batch in range(self.first_batch, len(self)):
            part = slice(batch * global_batch_size, (batch + 1) * global_batch_size)
            size, pools = self.sizes[sizes[batch]], _with_pools(order[part])
            keys = [
                SampleKey(self.epoch, number, size, pool, repeat)
                for (number, pool), repeat in zip(pools, repeats[part].tolist(), strict=True)
            ]
            start, end = (len(keys) * rank // self.world_size for rank in (self.rank, self.rank + 1))
            yield keys[start:end]

    def _order(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the images of the epoch in order, and how often each occurred before: both int64 [N]."""
        rng = np.random.default_rng([self.seed, self.epoch])
        order = rng.permutation(self.length)
        if self.factors is not None:
            order = rng.permutation(systematic_sample(order, self.factors[order], rng))
        if self.length < self.world_size:  # each process needs an image
            order = np.resize(order, self.world_size)
        return order, occurrences(order) if self.factors is not None else np.zeros_like(order)


def batches_of(dataset: TrainDataset, batch_size: int, rank: int = 0, world_size: int = 1) -> EpochBatches:
    """Return the sampler of a training data set; `batch_size` is per process."""
    return EpochBatches(
        len(dataset),
        batch_size,
        dataset.seed,
        dataset.sizes,
        rank,
        world_size,
        dataset.repeat_factors,
        dataset.epoch_images,
    )


def _with_pools(image_numbers: np.ndarray) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield each image with a pool: the part of the batch to make mosaics from.

    Pools are small, so that a process need not read all images of the global batch. They depend only on the
    batch, so they are the same for any number of processes.
    """
    for part in np.array_split(image_numbers, max(1, len(image_numbers) // MIN_POOL_SIZE)):
        pool = tuple(part.tolist())
        yield from ((number, pool) for number in pool)


class OrderedBatches(Sampler[list[int]]):
    """A sampler of batches of image numbers in order; the last batch may be smaller.

    With several processes, each process gets whole batches, so batches are the same as in one process.
    """

    def __init__(
        self, image_numbers: Sequence[int], batch_size: int, rank: int = 0, world_size: int = 1
    ) -> None:
        self.image_numbers, self.batch_size = image_numbers, batch_size
        self.starts = range(0, len(image_numbers), batch_size)[rank::world_size]

    def __len__(self) -> int:
        return len(self.starts)

    def __iter__(self) -> Iterator[list[int]]:
        for start in self.starts:
            yield list(self.image_numbers[start : start + self.batch_size])


def training_sizes(size: Size, stride: int, multi_scale: float, smallest: int = 1) -> list[Size]:
    """Return the input sizes for multi-scale training around `size`, in multiples of `stride`.

    The shorter side varies in steps of the stride, equally far in both directions; sizes with a side below
    `smallest` are left out.
    """
    shorter = min(size)
    steps = int(multi_scale * shorter / stride)
    scales = [1 + step * stride / shorter for step in range(-steps, steps + 1)]
    sizes = [tuple(max(stride, round(side * scale / stride) * stride) for side in size) for scale in scales]
    return [(height, width) for height, width in sizes if min(height, width) >= smallest]
