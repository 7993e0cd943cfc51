"""Pictures whose header claims more pixels than memory should be given to, found out before decoding them."""

import io

import numpy as np
from PIL import Image

from utils.jpeg_header import START, jpeg_size

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # 179 million, where Pillow refuses too: 0.5 GB decoded
PNG = b"\x89PNG\r\n\x1a\n"


def refuse_bomb(data: np.ndarray) -> None:
    """`ValueError` with the reason if a file's bytes, uint8 [N], claim more than `MOST_PIXELS`.

    A damaged one passes. PNG and JPEG are looked at here (5 us), the others by Pillow, ten times as slow.
    """
    start = data[:24].tobytes()
    if start.startswith(PNG):
        width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    elif start.startswith(START):
        height, width = jpeg_size(data) or (0, 0)
    else:
        width, height = _pillow_size(data)
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{width}x{height} pixels by its header, more than {MOST_PIXELS:,}: cut the picture into tiles"
        )


def _pillow_size(data: np.ndarray) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data.tobytes())) as file:
            return file.size
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    except Exception:  # the decoders say what is wrong
        return 0, 0
