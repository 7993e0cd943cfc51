"""Decoded images kept from epoch to epoch, in memory or in a file, shared by all workers.

An image is kept as the loader decodes it, so batches are the same with the cache and without.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from utils.data.index import DatasetIndex
from utils.images.headers import header_size, jpeg_size
from utils.images.image_io import ImageError, read_bytes
from utils.system.memory import available_shared_memory

Cache = Literal["auto", "ram", "disk", "off"]
SHARE = 0.5  # of the free memory that images may take
HEADER = 1 << 16  # bytes of a file that nearly always hold the size of the image


class ImageCache:
    """Room for the decoded images of a data set. A slot that is empty is filled by whoever decodes first.

    capacities  bytes that each image takes at most, decoded
    path        a file to keep them in; None keeps them in shared memory
    """

    def __init__(self, capacities: Sequence[int], path: Path | None = None) -> None:
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(capacities, dtype=np.int64)])
        self.path, self.total = path, max(1, int(starts[-1]))
        self.pixels = self._in_memory() if path is None else self._in_file()
        self.starts = torch.from_numpy(starts).share_memory_()
        # Reduction, height and width of each; 0 where there is none yet.
        self.kept = torch.zeros((len(capacities), 3), dtype=torch.int32).share_memory_()

    def get(self, image: int) -> tuple[int, np.ndarray] | None:
        """The reduction of an image and its pixels, uint8 [H, W, 3] not to be changed; None if not there."""
        reduction, height, width = self.kept[image].tolist()
        if reduction == 0:
            return None
        start = int(self.starts[image])
        return reduction, self.pixels[start : start + height * width * 3].numpy().reshape(height, width, 3)

    def put(self, image_number: int, reduction: int, image: np.ndarray) -> None:
        """Keep an image, if it is as large as was expected."""
        start, end = self.starts[image_number : image_number + 2].tolist()
        if image.size <= end - start:
            self.pixels[start : start + image.size].numpy()[:] = image.reshape(-1)
            self.kept[image_number] = torch.tensor([reduction, *image.shape[:2]])  # last: now it can be found

    def __getstate__(self) -> dict[str, Any]:
        """For workers that are not forked: the file is opened again rather than copied."""
        return {name: value for name, value in vars(self).items() if name != "pixels" or self.path is None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        vars(self).update(state)
        if self.path is not None:
            self.pixels = self._in_file()

    def _in_memory(self) -> torch.Tensor:
        return torch.empty(self.total, dtype=torch.uint8).share_memory_()

    def _in_file(self) -> torch.Tensor:
        assert self.path is not None
        if hasattr(os, "posix_fallocate") and not self.path.exists():
            # Room that is only found to be missing when an image is put there kills the process (SIGBUS).
            with self.path.open("wb") as file:
                try:
                    os.posix_fallocate(file.fileno(), 0, self.total)
                except OSError as error:
                    advice = f"{error.strerror}: the cache takes {_gib(self.total)}; use --cache ram or off"
                    raise OSError(error.errno, advice, str(self.path)) from error
        return torch.from_file(str(self.path), shared=True, size=self.total, dtype=torch.uint8)


def open_cache(
    choice: Cache, index: DatasetIndex, reduction: Callable[[tuple[int, int]], int], path: Path
) -> ImageCache | None:
    """The cache that was chosen, and a line that says so; None for none.

    reduction  by which a JPEG image of a size (height, width) is reduced in decoding
    path       where the file is made, if one is

    "auto" keeps images in memory where they take less than half of what is free, and otherwise reads them
    anew: a file as large as all decoded images is made only where it is asked for.
    """
    if choice == "off":
        return None
    capacities = [decoded_bytes(index.path(image), reduction) for image in range(len(index))]
    total, free = sum(capacities), available_shared_memory()
    takes = f"{len(index)} decoded images take {_gib(total)}, free are {_gib(free)}"
    if choice == "auto" and total > SHARE * free:
        print(f"cache: none ({takes}; --cache disk keeps them in a file)")
        return None
    if choice == "disk":
        print(f"cache: {path} ({takes} of memory)")
        return ImageCache(capacities, path)
    if total > free:
        raise ValueError(
            f"--cache ram: {takes} (of /dev/shm too, where there is one); use --cache disk or off"
        )
    print(f"cache: memory ({takes})")
    return ImageCache(capacities)


def decoded_bytes(path: Path, reduction: Callable[[tuple[int, int]], int]) -> int:
    """What an image takes when it is decoded; 0 if it cannot be read."""
    try:
        size = jpeg_size(read_bytes(path, HEADER))
        by = 1 if size is None else reduction(size)
        height, width = size or header_size(path)
    except (ImageError, ValueError):
        return 0
    return -(-height // by) * -(-width // by) * 3


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
