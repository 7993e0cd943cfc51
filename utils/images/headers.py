"""Find the image files in a folder, and read image sizes from headers without decoding.

The size of a JPEG comes from its header (ITU-T T.81, B.2.2), 100 times faster than by decoding it. Images
whose header states too many pixels (decompression bombs) are refused before they are decoded.
"""

import io
import unicodedata
from collections.abc import Collection
from pathlib import Path

import PIL.Image

from utils.images.types import FileBytes, Size

JPEG_SUFFIXES = (".jpg", ".jpeg", ".jpe", ".jfif")  # Windows and browsers save JPEG as .jfif too
IMAGE_SUFFIXES = (*JPEG_SUFFIXES, ".png", ".bmp", ".webp", ".tif", ".tiff")  # the first is preferred
# Images that cannot be read.
FOREIGN_SUFFIXES = (".heic", ".heif", ".avif", ".gif", ".jp2", ".jxl", ".psd", ".svg", ".tga", ".dng", ".raw")

EXIF_ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)  # orientations that swap height and width

MAX_IMAGE_PIXELS = 2 * (PIL.Image.MAX_IMAGE_PIXELS or 0)  # 179 million, Pillow's limit too; 0.5 GB decoded
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"

JPEG_SIGNATURE = b"\xff\xd8"
FRAME_MARKERS = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # of the segment that contains the size
MARKERS_WITHOUT_LENGTH = frozenset([0x00, 0x01, *range(0xD0, 0xD9)])
SCAN_MARKER = 0xDA  # the compressed image follows
MAX_HEADER_BYTES = 1 << 16  # enough for nearly every header


def image_key(stem: str) -> str:
    """Normalise the Unicode of a file stem: macOS stores "ä" as two characters, text files as one."""
    return unicodedata.normalize("NFC", stem)


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, list[str]]:
    """Return the names of files with one of the suffixes (in any case) by normalised stem, sorted by stem.

    Reads the directory once rather than once per stem. Hidden files are ignored. Names with the same stem are
    in the order of `suffixes`.
    """
    order = {suffix: position for position, suffix in enumerate(suffixes)}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in order and not path.name.startswith("."):
            found.setdefault(image_key(path.stem), []).append(path.name)
    for names in found.values():
        names.sort(key=lambda name: order[Path(name).suffix.lower()])
    return dict(sorted(found.items()))


def header_size(path: Path) -> Size:
    """Read the image size from the header, with EXIF orientation applied; `ValueError` if unreadable."""
    try:
        with PIL.Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS
    except FileNotFoundError:
        raise ValueError("the image does not exist") from None
    except (OSError, SyntaxError, ValueError, PIL.Image.DecompressionBombError) as error:
        raise ValueError(f"unreadable image ({error})") from None
    return (width, height) if sideways else (height, width)


def refuse_bomb(data: FileBytes) -> None:
    """Raise `ValueError` if the header states more than `MAX_IMAGE_PIXELS`; damaged files pass.

    PNG and JPEG headers are parsed here (5 us), other headers by Pillow, which takes ten times as long.
    """
    start = data[:24].tobytes()
    if start.startswith(PNG_SIGNATURE):
        width, height = int.from_bytes(start[16:20], "big"), int.from_bytes(start[20:24], "big")
    elif start.startswith(JPEG_SIGNATURE):
        height, width = jpeg_size(data) or (0, 0)
    else:
        width, height = _pillow_size(data)
    if width * height > MAX_IMAGE_PIXELS:
        raise ValueError(
            f"{width}x{height} pixels by its header, more than {MAX_IMAGE_PIXELS:,}: cut the image into tiles"
        )


def _pillow_size(data: FileBytes) -> tuple[int, int]:
    try:
        with PIL.Image.open(io.BytesIO(data.tobytes())) as file:
            return file.size
    except PIL.Image.DecompressionBombError as error:
        raise ValueError(str(error)) from None
    except Exception:  # the decoders report what is wrong
        return 0, 0


def jpeg_size(data: FileBytes) -> Size | None:
    """Return the stored size of a JPEG, before EXIF orientation; None if unknown."""
    if data[:2].tobytes() != JPEG_SIGNATURE:
        return None
    size = _frame_size(data[:MAX_HEADER_BYTES].tobytes())
    return size if size or len(data) <= MAX_HEADER_BYTES else _frame_size(data.tobytes())


def _frame_size(data: bytes) -> Size | None:
    """Return the size from the first frame header; None if no frame header precedes the scan."""
    offset = 2
    while 0 <= (offset := data.find(b"\xff", offset)) <= len(data) - 9:
        marker = data[offset + 1]
        if marker in FRAME_MARKERS:
            height, width = (int.from_bytes(data[at : at + 2], "big") for at in (offset + 5, offset + 7))
            return (height, width) if height and width else None
        if marker == SCAN_MARKER:
            return None
        if marker == 0xFF:  # a fill byte
            offset += 1
        elif marker in MARKERS_WITHOUT_LENGTH:
            offset += 2
        else:
            offset += 2 + int.from_bytes(data[offset + 2 : offset + 4], "big")
    return None
