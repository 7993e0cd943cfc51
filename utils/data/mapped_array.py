"""Memory-mapped arrays: processes share them, and exchange only their location."""

from pathlib import Path
from typing import NamedTuple

import numpy as np


class MappedArray(NamedTuple):
    """The location of an array in a file: path, offset in bytes, NumPy dtype name, shape."""

    file: str
    offset: int
    dtype: str
    shape: tuple[int, ...]


def map_array(location: MappedArray) -> np.ndarray:
    """Return the array at the location, read-only; the system reads only the parts that are used."""
    dtype = np.dtype(location.dtype)
    end = location.offset + dtype.itemsize * int(np.prod(location.shape))
    whole = np.asarray(np.memmap(location.file, np.uint8, "r"))
    return whole[location.offset : end].view(dtype).reshape(location.shape)


def location_of(array: np.ndarray) -> MappedArray | None:
    """Return the location of a mapped array; None if it is not mapped or contiguous, or the file is gone."""
    whole = array
    while isinstance(whole.base, np.ndarray):
        whole = whole.base
    if not isinstance(whole, np.memmap) or not array.flags.c_contiguous or array.size == 0:
        return None
    offset = array.ctypes.data - whole.ctypes.data
    file = Path(str(whole.filename))
    return MappedArray(str(file), offset, array.dtype.str, array.shape) if file.exists() else None
