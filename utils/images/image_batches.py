"""Batches of images that fit into memory, read while the previous batch is processed."""

from collections.abc import Generator, Sequence
from typing import NamedTuple

from utils.images.image_io import ImageError
from utils.images.sources import ImageSource, read_source
from utils.images.types import Image
from utils.system.prefetch import prefetch

MAX_BATCH_PIXELS = 100_000_000  # 0.3 GB: three batches (prefetched, processed, saved) take 1 GB


class ImageBatch(NamedTuple):
    """Readable images with their sources, and an error message for each unreadable image."""

    sources: list[ImageSource]
    images: list[Image]
    problems: list[str]


def image_batches(sources: Sequence[ImageSource], batch_size: int) -> Generator[ImageBatch, None, None]:
    """Yield batches of up to `batch_size` readable images, fewer if the images are very large."""
    return prefetch(_batches(sources, batch_size))


def _batches(sources: Sequence[ImageSource], batch_size: int) -> Generator[ImageBatch, None, None]:
    batch, pixels = ImageBatch([], [], []), 0
    for source in sources:
        try:
            image = read_source(source.name)
        except ImageError as error:
            batch.problems.append(str(error))
            continue
        more = image.shape[0] * image.shape[1]
        if batch.images and pixels + more > MAX_BATCH_PIXELS:
            yield batch
            batch, pixels = ImageBatch([], [], []), 0
        batch.sources.append(source)
        batch.images.append(image)
        pixels += more
        if len(batch.images) == batch_size:
            yield batch
            batch, pixels = ImageBatch([], [], []), 0
    if batch.images or batch.problems:
        yield batch
