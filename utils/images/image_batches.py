"""Images of many files in batches that fit the memory, read while the batch before is worked on."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from utils.images.image_io import ImageError
from utils.images.sources import ImageSource, read_source
from utils.system.prefetch import ahead

MOST_PIXELS = 100_000_000  # of a batch, 0.3 GB: then three batches, read ahead, at work and behind, are 1 GB


class ImageBatch(NamedTuple):
    """Images that were read, uint8 RGB [H, W, 3], and why others were not, a sentence each."""

    sources: list[ImageSource]
    images: list[np.ndarray]
    problems: list[str]


def image_batches(sources: Sequence[ImageSource], batch_size: int) -> Iterator[ImageBatch]:
    """Batches of at most so many readable images, and of fewer where they are very large."""
    return ahead(_batches(sources, batch_size))


def _batches(sources: Sequence[ImageSource], batch_size: int) -> Iterator[ImageBatch]:
    batch, pixels = ImageBatch([], [], []), 0
    for source in sources:
        try:
            image = read_source(source.source)
        except ImageError as error:
            batch.problems.append(str(error))
            continue
        size = image.shape[0] * image.shape[1]
        if batch.images and pixels + size > MOST_PIXELS:
            yield batch
            batch, pixels = ImageBatch([], [], []), 0
        batch.sources.append(source)
        batch.images.append(image)
        pixels += size
        if len(batch.images) == batch_size:
            yield batch
            batch, pixels = ImageBatch([], [], []), 0
    if batch.images or batch.problems:
        yield batch
