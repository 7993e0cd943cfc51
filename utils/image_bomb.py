"""Pictures whose header claims more pixels than memory should be given to, found out before decoding them."""

import io

from PIL import Image

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # 179 million, where Pillow refuses too: 0.5 GB decoded
PNG = b"\x89PNG\r\n\x1a\n"
JPEG = b"\xff\xd8"
JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that bring the size
JPEG_ALONE = frozenset([0x00, 0x01, *range(0xD0, 0xD9)])  # markers without a length


def refuse_bomb(data: bytes) -> None:
    """`ValueError` with the reason if the file claims more than `MOST_PIXELS`; a damaged one passes.

    PNG and JPEG are looked at here (5 us), the others by Pillow, which needs ten times as long.
    """
    if data.startswith(PNG):
        width, height = int.from_bytes(data[16:20], "big"), int.from_bytes(data[20:24], "big")
    elif data.startswith(JPEG):
        width, height = _jpeg_size(data)
    else:
        width, height = _pillow_size(data)
    if width * height > MOST_PIXELS:
        raise ValueError(
            f"{width}x{height} pixels by its header, more than {MOST_PIXELS:,}: cut the picture into tiles"
        )


def _jpeg_size(data: bytes) -> tuple[int, int]:
    """Width and height of the first frame header (ITU-T T.81, B.2.2), 0 if none comes before the scan."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) <= len(data) - 9:
        marker = data[place + 1]
        if marker in JPEG_FRAMES:
            height, width = data[place + 5 : place + 7], data[place + 7 : place + 9]
            return int.from_bytes(width, "big"), int.from_bytes(height, "big")
        if marker == 0xDA:
            break
        if marker == 0xFF:
            place += 1
        else:
            place += 2 if marker in JPEG_ALONE else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return 0, 0


def _pillow_size(data: bytes) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data)) as file:
            return file.size
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    except Exception:  # the decoders say what is wrong
        return 0, 0
