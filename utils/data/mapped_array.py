"""Arrays mapped from a file: processes share them, and send each other their location only."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class MappedArray(NamedTuple):
    """The location of an array: the file, the offset in bytes, NumPy's name of the type, the shape."""

    file: str
    offset: int
    dtype: str
    shape: tuple[int, ...]


def map_array(location: MappedArray) -> np.ndarray:
    """The array at the location, read-only; the system reads the parts that are used."""
    dtype = np.dtype(location.dtype)
    end = location.offset + dtype.itemsize * int(np.prod(location.shape))
    whole = np.asarray(np.memmap(location.file, np.uint8, "r"))
    return whole[location.offset : end].view(dtype).reshape(location.shape)


def location_of(array: np.ndarray) -> MappedArray | None:
    """The location of a mapped array; None if it is in memory, not contiguous, or its file is gone."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not array.flags.c_contiguous or array.size == 0:
        return None
    offset = array.ctypes.data - whole.ctypes.data
    file = Path(str(whole.filename))
    return MappedArray(str(file), offset, array.dtype.str, array.shape) if file.exists() else None
