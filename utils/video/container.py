"""What a video file says about its own length: its count of frames, and its size in bytes.

MP4 and MOV are boxes (ISO/IEC 14496-12), AVI is RIFF, Matroska and WebM are EBML (RFC 8794). Others state
neither.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

BOXES = (b"ftyp", b"moov", b"mdat", b"free", b"skip", b"wide", b"pnot")  # a file begins with one of them
EBML, SEGMENT = b"\x1a\x45\xdf\xa3", b"\x18\x53\x80\x67"
MAX_INDEX_BYTES = 1 << 26  # of a moov box that is searched


class Box(NamedTuple):
    """A part of a file: its type, where its contents begin, and where it ends by its header."""

    kind: bytes
    begins: int
    ends: int


def states_frame_count(path: Path) -> bool:
    """Return whether the container states its number of frames; elsewhere it is duration times nominal rate.

    MP4 and MOV do, unless they are written in fragments, and so does AVI.
    """
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF" and start[8:] == b"AVI ":
            return True
        for box in _boxes(file):
            if box.kind == b"moov":
                file.seek(box.begins)
                return b"mvex" not in file.read(min(box.ends - box.begins, MAX_INDEX_BYTES))
    return False


def is_cut_off(path: Path) -> bool:
    """Return whether the file ends before its last part does; False if the format does not tell."""
    size = path.stat().st_size
    with path.open("rb") as file:
        start = file.read(12)
        if start[:4] == b"RIFF":
            return size < 8 + int.from_bytes(start[4:8], "little")
        if start[:4] == EBML:
            return size < _segment_end(file)
        return any(box.ends > size for box in _boxes(file))


def _boxes(file: IO[bytes]) -> Iterator[Box]:
    """Yield the outermost boxes of an MP4 or MOV file, the last one possibly incomplete; none for others."""
    file.seek(0, 2)
    offset, end = 0, file.tell()
    while offset + 8 <= end:
        file.seek(offset)
        header = file.read(16)
        length, kind, begins = int.from_bytes(header[:4], "big"), header[4:8], offset + 8
        if offset == 0 and kind not in BOXES:
            return
        if length == 1:
            length, begins = int.from_bytes(header[8:16], "big"), offset + 16
        if length == 0:  # up to the end of the file
            length = end - offset
        if length < begins - offset:
            return
        yield Box(kind, begins, offset + length)
        offset += length


def _segment_end(file: IO[bytes]) -> int:
    """Return where the segment of a Matroska file ends; 0 if it was written without its length."""
    file.seek(len(EBML))
    header_length = _length(file)
    file.seek(header_length or 0, 1)
    if header_length is None or file.read(len(SEGMENT)) != SEGMENT:
        return 0
    length = _length(file)
    return 0 if length is None else file.tell() + length


def _length(file: IO[bytes]) -> int | None:
    """Read an EBML length: its first 1 bit says how many bytes it has. None if unknown: all bits are 1."""
    first = file.read(1)
    if not first or first[0] == 0:
        return None
    more = 8 - first[0].bit_length()
    bits = 7 * (more + 1)
    length = int.from_bytes(first + file.read(more), "big") & ((1 << bits) - 1)
    return None if length == (1 << bits) - 1 else length
