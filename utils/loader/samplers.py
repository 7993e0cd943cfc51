"""Samplers: which images make up which batch of an epoch."""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler

from utils.data.types import Size
from utils.loader.train_dataset import POOL, SampleKey


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
