"""Arrays that lie in a file rather than in memory: processes share them, and tell each other their place."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class MappedArray(NamedTuple):
    """Where an array lies: the file, after how many of its bytes, the type as NumPy writes it, the shape."""

    file: str
    offset: int
    dtype: str
    shape: tuple[int, ...]


def map_array(place: MappedArray) -> np.ndarray:
    """The array that lies there, read-only; the system reads the parts that are looked at."""
    dtype = np.dtype(place.dtype)
    end = place.offset + dtype.itemsize * int(np.prod(place.shape))
    whole = np.asarray(np.memmap(place.file, np.uint8, "r"))
    return whole[place.offset : end].view(dtype).reshape(place.shape)


def place_of(array: np.ndarray) -> MappedArray | None:
    """Where the array lies; None if in memory, or not in one piece, or if the file is gone."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not array.flags.c_contiguous or array.size == 0:
        return None
    offset = array.ctypes.data - whole.ctypes.data
    file = Path(str(whole.filename))
    return MappedArray(str(file), offset, array.dtype.str, array.shape) if file.exists() else None
