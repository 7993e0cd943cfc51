"""A cache of data set indexes on disk, so that a large annotation file is parsed only once.

The key is a hash of the annotation file's content, not its time and size, so any changed label is noticed.
The arrays of an index are in one memory-mapped file that processes share. Nothing in the file is executed (no
pickle), and a checksum detects damage; the annotations are then parsed again.
"""

import hashlib
import json
import os
import secrets
import struct
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.index import DatasetIndex
from utils.data.mapped_array import MappedArray, map_array
from utils.data.notes import Note, Notes, Problem
from utils.system.download import file_sha256
from utils.system.schema import conform
from utils.system.settings import NonNegativeInt

VERSION = 2  # increase when a reader or the file layout changes, to ignore older indexes
MIN_CACHED_BYTES = 8 << 20  # smaller files take at most 1 s to parse, lists 0.5 s
MAX_CACHE_BYTES = 5 << 30  # total of all indexes; the least recently used are removed first
ABANDONED_SECONDS = 3600.0  # age at which an incomplete file counts as left by a killed process
READ_BYTES = 1 << 22  # block size for reading
SIGNATURE = b"Boxwright index\0"
FILE_HEAD = struct.Struct("<16sI")  # signature, CRC-32 of the rest of the file (0.1 s for 300 MB)
DTYPES = {  # the arrays in file order; the widest types first, for alignment
    "path_offsets": "<i8",
    "box_offsets": "<i8",
    "sizes": "<i4",
    "boxes": "<f4",
    "labels": "<i4",
    "areas": "<f4",
    "difficult": "|b1",
    "crowd": "|b1",
    "path_bytes": "|u1",
}


@dataclass(frozen=True)
class Header:
    """What a file says of its index: the key, the shape of each array, and the notes as plain tuples."""

    key: str
    class_names: tuple[str, ...]
    shapes: dict[str, tuple[NonNegativeInt, ...]]
    notes: tuple[tuple[str, str, int, tuple[tuple[str, str], ...]], ...]


def read_cached(
    reader: Callable[..., DatasetIndex], path: Path, *settings: Path | Sequence[str] | None
) -> DatasetIndex:
    """Return `reader(path, *settings)`, from the cache if possible, with the reader's notes.

    The settings (folders and class names) are all that the index depends on apart from the file and its
    folder. Nothing is cached for small files, or if the cache cannot be written (no folder, a full disk).
    """
    if path.stat().st_size < MIN_CACHED_BYTES:
        return reader(path, *settings)
    digest = file_sha256(path)
    key = _key(reader.__name__, digest, path.absolute().parent, *settings)
    if (cached := _load(key)) is not None:
        return cached
    index = reader(path, *settings)
    unchanged = file_sha256(path) == digest  # the file did not change meanwhile
    return (unchanged and _store(key, index)) or index


def cache_folder() -> Path | None:
    """Return the cache folder: in $BOXWRIGHT_CACHE, or else in the system's folder for caches."""
    if chosen := os.environ.get("BOXWRIGHT_CACHE"):
        return Path(chosen).absolute() / "indexes"
    try:
        home = Path.home()
    except RuntimeError:  # the user has no home folder
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base.absolute() / "boxwright" / "indexes"


def _key(*parts: object) -> str:
    """Return a hash of everything that an index depends on."""
    return hashlib.sha256(json.dumps([VERSION, *parts], default=str).encode()).hexdigest()


def _load(key: str) -> DatasetIndex | None:
    """Return the cached index for a key, memory-mapped; None if missing or damaged."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"{key}.index"
    try:
        header, start = _header(path)
        if header.key != key:
            return None
        arrays = {}
        for name, dtype in DTYPES.items():
            location = MappedArray(str(path), start, dtype, header.shapes[name])
            arrays[name] = map_array(location)
            start += arrays[name].nbytes
    except (OSError, ValueError, LookupError, RecursionError):
        return None
    with suppress(OSError):
        os.utime(path)  # mark as used now
    return DatasetIndex(header.class_names, **arrays, notes=_notes(header))


def _notes(header: Header) -> Notes:
    return tuple(
        Note(kind, subject, count, tuple(Problem(*problem) for problem in problems))
        for kind, subject, count, problems in header.notes
    )


def _header(path: Path) -> tuple[Header, int]:
    """Read the header and the offset of the arrays; `ValueError` if it is damaged, or no index."""
    if not path.is_file():  # a pipe would never answer
        raise FileNotFoundError(path)
    with path.open("rb") as file:
        head = file.read(FILE_HEAD.size)
        checksum = 0
        while block := file.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
        if head != FILE_HEAD.pack(SIGNATURE, checksum):
            raise ValueError(f"{path} is damaged, or not an index")
        file.seek(FILE_HEAD.size)
        return conform(json.loads(file.readline()), Header), file.tell()


def _store(key: str, index: DatasetIndex) -> DatasetIndex | None:
    """Write the index to the cache and return it memory-mapped; None if it cannot be written."""
    folder = cache_folder()
    if folder is None:
        return None
    part = folder / f"{key}.{secrets.token_hex(4)}.part"  # unique: another process may write the same index
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(part, key, index)
            part.replace(folder / f"{key}.index")
        finally:
            part.unlink(missing_ok=True)
        _remove_old(folder)
    except OSError:
        return None
    return _load(key)


def _write(path: Path, key: str, index: DatasetIndex) -> None:
    arrays = {name: np.ascontiguousarray(getattr(index, name), dtype) for name, dtype in DTYPES.items()}
    header = {
        "key": key,
        "class_names": index.class_names,
        "notes": index.notes,
        "shapes": {name: array.shape for name, array in arrays.items()},
    }
    text = json.dumps(header).encode()
    padding = b" " * (-(FILE_HEAD.size + len(text) + 1) % 8)
    checksum = 0
    pieces: list[Any] = [text + padding + b"\n", *arrays.values()]
    with path.open("wb") as file:
        file.seek(FILE_HEAD.size)
        for piece in pieces:
            file.write(piece)
            checksum = zlib.crc32(piece, checksum)
        file.seek(0)
        file.write(FILE_HEAD.pack(SIGNATURE, checksum))


def _remove_old(folder: Path) -> None:
    """Remove the least recently used indexes beyond the size limit, and abandoned incomplete files."""
    for part in folder.glob("*.part"):
        with suppress(OSError):  # another process may have removed it
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()
    total = 0
    for path, size in _newest_first(folder):
        total += size
        if total > MAX_CACHE_BYTES and total > size:  # keep the newest, however large
            with suppress(OSError):  # Windows cannot remove mapped files
                path.unlink()


def _newest_first(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in folder.glob("*.index"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]
