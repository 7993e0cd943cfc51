"""Which files of a folder are images, and how large they are, without decoding any.

The size of a JPEG comes from its header (ITU-T T.81, B.2.2), 100 times faster than by decoding it. Images
whose header claims more pixels than memory should be given to are refused before they are decoded.
"""

import io
import unicodedata
from collections.abc import Collection
from pathlib import Path

import numpy as np
from PIL import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")  # the first is preferred

EXIF_ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width

MOST_PIXELS = 2 * (Image.MAX_IMAGE_PIXELS or 0)  # 179 million, where Pillow refuses too: 0.5 GB decoded
PNG = b"\x89PNG\r\n\x1a\n"

START = b"\xff\xd8"
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # markers that bring the size
ALONE = frozenset([0x00, 0x01, *range(0xD0, 0xD9)])  # markers without a length
SCAN = 0xDA  # what comes then is the image itself
HEAD = 1 << 16  # bytes that hold nearly every header


def image_key(stem: str) -> str:
    """The id under which a file is found: macOS stores "ä" as two characters, text files as one."""
    return unicodedata.normalize("NFC", stem)


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, list[str]]:
    """Names of the files with one of the suffixes (in any case), by their id, ids in sorted order.

    One listing of the folder instead of a question per id. Hidden files are left out. Where several files
    share an id, they stand in the order of `suffixes`.
    """
    order = {suffix: position for position, suffix in enumerate(suffixes)}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in order and not path.name.startswith("."):
            found.setdefault(image_key(path.stem), []).append(path.name)
    for names in found.values():
        names.sort(key=lambda name: order[Path(name).suffix.lower()])
    return dict(sorted(found.items()))


def header_size(path: Path) -> tuple[int, int]:
    """Height and width of the image once turned upright, from its header; `ValueError` if unreadable."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS
    except FileNotFoundError:
        raise ValueError("the image does not exist") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"unreadable image ({error})") from None
    return (width, height) if sideways else (height, width)


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
            f"{width}x{height} pixels by its header, more than {MOST_PIXELS:,}: cut the image into tiles"
        )


def _pillow_size(data: np.ndarray) -> tuple[int, int]:
    try:
        with Image.open(io.BytesIO(data.tobytes())) as file:
            return file.size
    except Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    except Exception:  # the decoders say what is wrong
        return 0, 0


def jpeg_size(data: np.ndarray) -> tuple[int, int] | None:
    """(height, width) as stored, not turned as EXIF says, of a file's bytes uint8 [N]; None if unknown."""
    if data[:2].tobytes() != START:
        return None
    size = _frame_size(data[:HEAD].tobytes())
    return size if size or len(data) <= HEAD else _frame_size(data.tobytes())


def _frame_size(data: bytes) -> tuple[int, int] | None:
    """What the first frame header says; None if none comes before the scan, or it says nothing."""
    place = 2
    while 0 <= (place := data.find(b"\xff", place)) <= len(data) - 9:
        marker = data[place + 1]
        if marker in FRAMES:
            height, width = (int.from_bytes(data[at : at + 2], "big") for at in (place + 5, place + 7))
            return (height, width) if height and width else None
        if marker == SCAN:
            return None
        if marker == 0xFF:  # a byte that fills
            place += 1
        else:
            place += 2 if marker in ALONE else 2 + int.from_bytes(data[place + 2 : place + 4], "big")
    return None
