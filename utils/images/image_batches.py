"""Pictures of many files in batches that fit the memory, read while the batch before is worked on."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from utils.images.image_io import ImageError
from utils.images.sources import Picture, read_picture
from utils.system.prefetch import ahead

MOST_PIXELS = 100_000_000  # of a batch, 0.3 GB: then three batches, read ahead, at work and behind, are 1 GB


class PictureBatch(NamedTuple):
    """Pictures that were read, uint8 RGB [H, W, 3], and why others were not, a sentence each."""

    pictures: list[Picture]
    images: list[np.ndarray]
    problems: list[str]


def picture_batches(pictures: Sequence[Picture], batch_size: int) -> Iterator[PictureBatch]:
    """Batches of at most so many readable pictures, and of fewer where they are very large."""
    return ahead(_batches(pictures, batch_size))


def _batches(pictures: Sequence[Picture], batch_size: int) -> Iterator[PictureBatch]:
    batch, pixels = PictureBatch([], [], []), 0
    for picture in pictures:
        try:
            image = read_picture(picture.source)
        except ImageError as error:
            batch.problems.append(str(error))
            continue
        size = image.shape[0] * image.shape[1]
        if batch.images and pixels + size > MOST_PIXELS:
            yield batch
            batch, pixels = PictureBatch([], [], []), 0
        batch.pictures.append(picture)
        batch.images.append(image)
        pixels += size
        if len(batch.images) == batch_size:
            yield batch
            batch, pixels = PictureBatch([], [], []), 0
    if batch.images or batch.problems:
        yield batch
