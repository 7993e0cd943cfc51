"""Indexes kept from run to run, so that a large annotation file is parsed once.

An index is found again by the content of its file: a changed label makes another index, whatever the file's
time and size say. It is kept as flat arrays in one file that is mapped into memory, so processes share it.
Nothing in it is executed (no pickle), and a checksum refuses what is damaged: then the index is made anew.
"""

import hashlib
import json
import os
import secrets
import struct
import sys
import time
import warnings
import zlib
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from utils.data.index import DatasetIndex
from utils.data.mapped_array import MappedArray, map_array
from utils.system.download import file_sha256

VERSION = 1  # one more whenever a reader or the layout changes: indexes kept before are not used then
SMALLEST = 8 << 20  # bytes; smaller files take a second to parse at most, lists half of that
LARGEST = 5 << 30  # bytes that all kept indexes may take; those not used for longest go first
ABANDONED = 3600.0  # seconds; a part that nobody has completed for so long is of a process that was killed
BLOCK = 1 << 22  # bytes
SIGNATURE = b"Boxwright index\0"
HEAD = struct.Struct("<16sI")  # signature, CRC-32 of all that follows; sums of 300 MB take 0.1 s
DTYPES = {  # the arrays in their order; wide numbers first, so that each lies at a multiple of its width
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

CachedIndex = tuple[DatasetIndex, list[str]]  # and what its reader warned of


def read_cached(
    reader: Callable[..., DatasetIndex], path: Path, *settings: Path | Sequence[str] | None
) -> DatasetIndex:
    """What `reader(path, *settings)` returns, and warns of: from the cache, or read and put there.

    The settings are folders and class names: all that the index depends on beside the file and its folder.
    Where nothing can be kept (no folder to write to, a full disk) the file is read, as it is if it is small.
    """
    if path.stat().st_size < SMALLEST:
        return reader(path, *settings)
    digest = file_sha256(path)
    key = _key(reader.__name__, digest, path.absolute().parent, *settings)
    kept = _kept(key)
    if kept is None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            index = reader(path, *settings)
        notes = [str(warning.message) for warning in caught if warning.category is UserWarning]
        unchanged = file_sha256(path) == digest  # while it was read
        kept = (unchanged and _keep(key, index, notes)) or (index, notes)
    index, notes = kept
    for note in notes:
        warnings.warn(note, stacklevel=3)
    return index


def cache_folder() -> Path | None:
    """Where indexes are kept: $BOXWRIGHT_CACHE, or the system's folder for what can be made again."""
    if chosen := os.environ.get("BOXWRIGHT_CACHE"):
        return Path(chosen).absolute() / "indexes"
    try:
        home = Path.home()
    except RuntimeError:  # the user has none
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base.absolute() / "boxwright" / "indexes"


def _key(*parts: Any) -> str:
    """A name for all that an index depends on."""
    return hashlib.sha256(json.dumps([VERSION, *parts], default=str).encode()).hexdigest()


def _kept(key: str) -> CachedIndex | None:
    """The index that is kept under this name, mapped into memory, if it is there and as it was written."""
    folder = cache_folder()
    if folder is None:
        return None
    path = folder / f"{key}.index"
    try:
        header, start = _header(path)
        if header["key"] != key:
            return None
        arrays = {}
        for name, dtype in DTYPES.items():
            place = MappedArray(str(path), start, dtype, tuple(header["shapes"][name]))
            arrays[name] = map_array(place)
            start += arrays[name].nbytes
    except (OSError, ValueError, LookupError, TypeError):
        return None
    with suppress(OSError):
        os.utime(path)  # used today
    return DatasetIndex(tuple(header["class_names"]), **arrays), header["warnings"]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """What stands before the arrays, and where these start; `ValueError` if the checksum is another."""
    with path.open("rb") as file:
        head = file.read(HEAD.size)
        checksum = 0
        while block := file.read(BLOCK):
            checksum = zlib.crc32(block, checksum)
        if head != HEAD.pack(SIGNATURE, checksum):
            raise ValueError(f"{path} is damaged, or no index")
        file.seek(HEAD.size)
        return json.loads(file.readline()), file.tell()


def _keep(key: str, index: DatasetIndex, notes: Sequence[str]) -> CachedIndex | None:
    """Put the index there and open it again, so that its memory is shared; None if that is not possible."""
    folder = cache_folder()
    if folder is None:
        return None
    part = folder / f"{key}.{secrets.token_hex(4)}.part"  # another process may write the same
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(part, key, index, notes)
            part.replace(folder / f"{key}.index")
        finally:
            part.unlink(missing_ok=True)
        _remove_old(folder)
    except OSError:
        return None
    return _kept(key)


def _write(path: Path, key: str, index: DatasetIndex, notes: Sequence[str]) -> None:
    arrays = {name: np.ascontiguousarray(getattr(index, name), dtype) for name, dtype in DTYPES.items()}
    header = {
        "key": key,
        "class_names": index.class_names,
        "warnings": notes,
        "shapes": {name: array.shape for name, array in arrays.items()},
    }
    text = json.dumps(header).encode()
    padding = b" " * (-(HEAD.size + len(text) + 1) % 8)
    checksum = 0
    pieces: list[Any] = [text + padding + b"\n", *arrays.values()]
    with path.open("wb") as file:
        file.seek(HEAD.size)
        for piece in pieces:
            file.write(piece)
            checksum = zlib.crc32(piece, checksum)
        file.seek(0)
        file.write(HEAD.pack(SIGNATURE, checksum))


def _remove_old(folder: Path) -> None:
    """Remove what takes more than its share of the disk, and what no process completes any more."""
    for part in folder.glob("*.part"):
        with suppress(OSError):  # another process may have removed it
            if time.time() - part.stat().st_mtime > ABANDONED:
                part.unlink()
    total = 0
    for path, size in _newest_first(folder):
        total += size
        if total > LARGEST and total > size:  # the newest stays, however large
            with suppress(OSError):  # Windows keeps what is mapped
                path.unlink()


def _newest_first(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in folder.glob("*.index"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]
