"""JPEG files without their end marker: some cameras and copies leave it out, though all pixels are there.

Markers are those of ITU-T T.81, B.1.
"""

import io
import re
from collections.abc import Iterator

import numpy as np
import PIL.Image

from utils.images.headers import JPEG_SIGNATURE, MARKERS_WITHOUT_LENGTH, SCAN_MARKER
from utils.images.types import FileBytes

END = b"\xff\xd9"
END_MARKER = 0xD9
COEFFICIENTS = 64  # of a block of 8 x 8 pixels
NEXT_MARKER = re.compile(
    rb"\xff+[^\x00\xff\xd0-\xd7]"
)  # after compressed data: not a stuffed or restart byte
RESTART = re.compile(rb"\xff([\xd0-\xd7])")
NOISE = np.random.default_rng(0).integers(1, 255, 256, np.uint8)  # compressed data, without 0 and 255


def lacks_end(data: FileBytes) -> bool:
    """Return whether a JPEG has no end marker; data after the marker are allowed."""
    content = data.tobytes()
    if not content.startswith(JPEG_SIGNATURE) or content.endswith(END):
        return False
    return all(marker != END_MARKER for marker, _ in _segments(content))


def with_end(data: FileBytes) -> FileBytes | None:
    """Return a JPEG that lacks only its end marker with this marker; None for any other file.

    More is missing if the pixels depend on what is put behind the data: the decoder still wanted some. Two
    opposite fillers are tried, since the first bit that is wanted differs between them.
    """
    content = data.tobytes().rstrip(b"\xff")  # half an end marker
    if not lacks_end(data) or not _has_all_scans(content):
        return None
    fillers = (b"", _filler(content, NOISE), _filler(content, 255 - NOISE))
    pixels, *others = (_pixels(content + filler + END) for filler in fillers)
    if pixels is None or not all(other is not None and np.array_equal(pixels, other) for other in others):
        return None
    return np.frombuffer(content + END, np.uint8)


def _filler(content: bytes, noise: np.ndarray) -> bytes:
    """Return more compressed data: noise, and restart markers that follow the last one in the content."""
    restarts = RESTART.findall(content)
    following = restarts[-1][0] + 1 if restarts else 0
    return b"".join(noise.tobytes() + bytes([0xFF, 0xD0 + (following + k) % 8]) for k in range(16))


def _pixels(content: bytes) -> np.ndarray | None:
    """Decode with Pillow, which prints no warning of libjpeg; None if it fails."""
    try:
        with PIL.Image.open(io.BytesIO(content), formats=["JPEG"]) as file:
            return np.asarray(file)
    except Exception:  # Pillow raises many types of errors for damaged files
        return None


def _segments(content: bytes) -> Iterator[tuple[int, bytes]]:
    """Yield marker and contents of each complete segment, up to the end marker or the end of the data."""
    offset = len(JPEG_SIGNATURE)
    while found := NEXT_MARKER.search(content, offset):
        marker, offset = content[found.end() - 1], found.end()
        length = 0
        if marker not in MARKERS_WITHOUT_LENGTH and marker != END_MARKER:
            length = int.from_bytes(content[offset : offset + 2], "big")
        if offset + length > len(content):
            return
        yield marker, content[offset + 2 : offset + length]
        offset += length
        if marker == END_MARKER:
            return


def _has_all_scans(content: bytes) -> bool:
    """Return whether the scans contain every coefficient of every component in full precision."""
    components: set[int] = set()
    complete: set[tuple[int, int]] = set()
    for marker, segment in _segments(content):
        if marker == SCAN_MARKER and len(segment) >= 4:
            first, last, precision = segment[-3:]
            components |= set(segment[1:-3:2])
            if precision & 0x0F == 0:
                complete |= {(k, at) for k in segment[1:-3:2] for at in range(first, last + 1)}
    return len(complete) == COEFFICIENTS * len(components) > 0
