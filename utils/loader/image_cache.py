"""A cache of decoded images, in memory or in a file, shared by all worker processes.

Images are cached exactly as the data loader decodes them, so the cache does not change batches.
"""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from utils.data.index import DatasetIndex
from utils.data.types import Image, Size
from utils.images.headers import MAX_HEADER_BYTES, header_size, jpeg_size
from utils.images.image_io import ImageError, read_bytes
from utils.system.memory import available_shared_memory

Cache = Literal["auto", "ram", "disk", "off"]
MAX_MEMORY_SHARE = 0.5  # maximum fraction of the free memory, for --cache auto


class ImageCache:
    """A cache with a slot per image, filled by the process that first decodes the image.

    capacities  size of each slot in bytes
    path        cache file; None for shared memory
    """

    def __init__(self, capacities: Sequence[int], path: Path | None = None) -> None:
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(capacities, dtype=np.int64)])
        self.path, self.total = path, max(1, int(starts[-1]))
        if path is not None:
            _allocate(path, self.total)
        self.pixels = self._in_memory() if path is None else self._in_file()
        self.starts = _shared(torch.from_numpy(starts))
        # Reduction, height and width of each cached image; 0 for an empty slot.
        self.entries = _shared(torch.zeros((len(capacities), 3), dtype=torch.int32))

    def get(self, image_number: int) -> tuple[int, Image] | None:
        """Return the reduction and the pixels (do not modify them) of an image; None if not cached."""
        reduction, height, width = self.entries[image_number].tolist()
        if reduction == 0:
            return None
        start = int(self.starts[image_number])
        return reduction, self.pixels[start : start + height * width * 3].numpy().reshape(height, width, 3)

    def put(self, image_number: int, reduction: int, image: Image) -> None:
        """Cache an image if it fits into its slot."""
        start, end = self.starts[image_number : image_number + 2].tolist()
        if image.size <= end - start:
            self.pixels[start : start + image.size].numpy()[:] = image.reshape(-1)
            self.entries[image_number] = torch.tensor([reduction, *image.shape[:2]])  # makes it valid

    def __getstate__(self) -> dict[str, object]:
        """Return the state to pickle for workers that are not forked; these map the file again."""
        return {name: value for name, value in vars(self).items() if name != "pixels" or self.path is None}

    def __setstate__(self, state: dict[str, object]) -> None:
        vars(self).update(state)
        if self.path is not None:
            self.pixels = self._in_file()

    def _in_memory(self) -> torch.Tensor:
        return _shared(torch.empty(self.total, dtype=torch.uint8))

    def _in_file(self) -> torch.Tensor:
        assert self.path is not None
        return torch.from_file(str(self.path), shared=True, size=self.total, dtype=torch.uint8)


def _allocate(path: Path, size: int) -> None:
    """Make the cache file: if the disk were full only later, the process would be killed (SIGBUS)."""
    path.unlink(missing_ok=True)  # one that a killed run left behind, or a link to another file
    with path.open("wb") as file:
        if not hasattr(os, "posix_fallocate"):
            return
        try:
            os.posix_fallocate(file.fileno(), 0, size)
        except OSError as error:
            advice = f"{error.strerror}: the cache takes {_gib(size)}; use --cache ram or off"
            raise OSError(error.errno, advice, str(path)) from error


def _shared(tensor: torch.Tensor) -> torch.Tensor:
    """Move a tensor to shared memory; OSError with the fix if there is none, or it is full."""
    try:
        return tensor.share_memory_()
    except RuntimeError as error:
        raise OSError(f"--cache: there is no shared memory ({error}); use --cache off") from error


def open_cache(
    choice: Cache, index: DatasetIndex, reduction: Callable[[Size], int], path: Path
) -> ImageCache | None:
    """Open the cache for `--cache`, print the choice, and return the cache, or None for no cache.

    reduction  function that returns the decoding reduction for a JPEG of a given size
    path       cache file, for "disk"

    "auto" caches images in memory if they take at most half of the free memory, and else uses no cache: a
    file as large as all decoded images is written only on request.
    """
    if choice == "off":
        return None
    capacities = [decoded_bytes(index.path(number), reduction) for number in range(len(index))]
    total, free = sum(capacities), available_shared_memory()
    takes = f"{len(index)} decoded images take {_gib(total)}, and {_gib(free)} are free"
    if choice == "auto" and total > MAX_MEMORY_SHARE * free:
        print(f"cache: none ({takes}; --cache disk caches them in a file)")
        return None
    if choice == "disk":
        print(f"cache: {path} ({takes} of memory)")
        return ImageCache(capacities, path)
    if total > free:
        raise ValueError(f"--cache ram: {takes} (in /dev/shm too, if it exists); use --cache disk or off")
    print(f"cache: memory ({takes})")
    return ImageCache(capacities)


def decoded_bytes(path: Path, reduction: Callable[[Size], int]) -> int:
    """Return the size of the decoded image in bytes; 0 if it cannot be read."""
    try:
        size = jpeg_size(read_bytes(path, MAX_HEADER_BYTES))
        factor = 1 if size is None else reduction(size)
        height, width = size or header_size(path)
    except (ImageError, ValueError):
        return 0
    return -(-height // factor) * -(-width // factor) * 3


def _gib(size: float) -> str:
    return f"{size / 2**30:.1f} GiB"
