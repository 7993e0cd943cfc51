"""The `.weights` files of Darknet: a short header, then nothing but 32-bit floats.

https://github.com/AlexeyAB/darknet (public domain)
"""

import struct
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils.checkpoint import check_is_file


def read_darknet(path: Path) -> Tensor:
    """All floats of a file, float32 [N]. ValueError if it is missing or no such file.

    The header is three int32, the version, and the number of pictures trained on: int64 from version 0.2 on,
    int32 before.
    """
    check_is_file(path)
    data = path.read_bytes()
    if len(data) < 16:
        raise ValueError(f"{path} has {len(data)} bytes: too few for a Darknet file; download it again")
    major, minor, _ = struct.unpack("<3i", data[:12])
    if not (0 <= major < 1000 and 0 <= minor < 1000):
        raise ValueError(f"{path} is no Darknet file: it does not begin with a version; download it again")
    start = 20 if major * 10 + minor >= 2 else 16
    if (len(data) - start) % 4 or len(data) <= start:
        raise ValueError(
            f"{path} is cut off: {len(data)} bytes are no whole number of floats; download it again"
        )
    return torch.from_numpy(np.frombuffer(data, "<f4", offset=start).copy())
