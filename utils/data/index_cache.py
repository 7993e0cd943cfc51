"""A cache of indexes on disk, so that a large annotation file is parsed only once.

The key is the content of the annotation file, not its time and size: a changed label makes another index. The
arrays lie in one file that is mapped into memory, so processes share it. Nothing in it is executed (no
pickle), and a checksum detects damage: then the annotations are read again.
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

VERSION = 1  # increased whenever a reader or the file layout changes: older indexes are then ignored
MIN_CACHED_BYTES = 8 << 20  # bytes; smaller files take at most a second to parse, lists half of that
MAX_CACHE_BYTES = 5 << 30  # of all indexes; the least recently used are removed first
ABANDONED_SECONDS = 3600.0  # after which an incomplete file must be of a process that was killed
READ_BYTES = 1 << 22  # at a time
SIGNATURE = b"Boxwright index\0"
FILE_HEAD = struct.Struct("<16sI")  # signature, CRC-32 of all that follows (0.1 s for 300 MB)
DTYPES = {  # the arrays in their order; wide numbers first, so that each is aligned
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

CachedIndex = tuple[DatasetIndex, list[str]]  # the index and the warnings of its reader


def read_cached(
    reader: Callable[..., DatasetIndex], path: Path, *settings: Path | Sequence[str] | None
) -> DatasetIndex:
    """The index and the warnings of `reader(path, *settings)`, from the cache or else read and cached.

    The settings are folders and class names: all that the index depends on besides the file and its folder.
    Small files, and all files if nothing can be cached (no folder to write to, a full disk), are just read.
    """
    if path.stat().st_size < MIN_CACHED_BYTES:
        return reader(path, *settings)
    digest = file_sha256(path)
    key = _key(reader.__name__, digest, path.absolute().parent, *settings)
    cached = _load(key)
    if cached is None:
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            index = reader(path, *settings)
        messages = [str(warning.message) for warning in caught if warning.category is UserWarning]
        unchanged = file_sha256(path) == digest  # while it was read
        cached = (unchanged and _store(key, index, messages)) or (index, messages)
    index, messages = cached
    for message in messages:
        warnings.warn(message, stacklevel=3)
    return index


def cache_folder() -> Path | None:
    """The folder of the cache: in $BOXWRIGHT_CACHE, or in the system's folder for caches."""
    if chosen := os.environ.get("BOXWRIGHT_CACHE"):
        return Path(chosen).absolute() / "indexes"
    try:
        home = Path.home()
    except RuntimeError:  # the user has no home
        return None
    if sys.platform == "darwin":
        base = home / "Library" / "Caches"
    elif sys.platform == "win32":
        base = Path(os.environ.get("LOCALAPPDATA") or home / "AppData" / "Local")
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or home / ".cache")
    return base.absolute() / "boxwright" / "indexes"


def _key(*parts: object) -> str:
    """A hash of all that an index depends on."""
    return hashlib.sha256(json.dumps([VERSION, *parts], default=str).encode()).hexdigest()


def _load(key: str) -> CachedIndex | None:
    """The cached index of this key, mapped into memory; None if there is none, or it is damaged."""
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
            location = MappedArray(str(path), start, dtype, tuple(header["shapes"][name]))
            arrays[name] = map_array(location)
            start += arrays[name].nbytes
    except (OSError, ValueError, LookupError, TypeError):
        return None
    with suppress(OSError):
        os.utime(path)  # used now
    return DatasetIndex(tuple(header["class_names"]), **arrays), header["warnings"]


def _header(path: Path) -> tuple[dict[str, Any], int]:
    """The header and the offset of the arrays; `ValueError` if the checksum does not match."""
    with path.open("rb") as file:
        head = file.read(FILE_HEAD.size)
        checksum = 0
        while block := file.read(READ_BYTES):
            checksum = zlib.crc32(block, checksum)
        if head != FILE_HEAD.pack(SIGNATURE, checksum):
            raise ValueError(f"{path} is damaged, or not an index")
        file.seek(FILE_HEAD.size)
        return json.loads(file.readline()), file.tell()


def _store(key: str, index: DatasetIndex, messages: Sequence[str]) -> CachedIndex | None:
    """Write the index and load it again, so that its memory is shared; None if that is not possible."""
    folder = cache_folder()
    if folder is None:
        return None
    part = folder / f"{key}.{secrets.token_hex(4)}.part"  # another process may write the same
    try:
        folder.mkdir(parents=True, exist_ok=True)
        try:
            _write(part, key, index, messages)
            part.replace(folder / f"{key}.index")
        finally:
            part.unlink(missing_ok=True)
        _remove_old(folder)
    except OSError:
        return None
    return _load(key)


def _write(path: Path, key: str, index: DatasetIndex, messages: Sequence[str]) -> None:
    arrays = {name: np.ascontiguousarray(getattr(index, name), dtype) for name, dtype in DTYPES.items()}
    header = {
        "key": key,
        "class_names": index.class_names,
        "warnings": messages,
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
    """Remove the least recently used indexes beyond the size limit, and files that no process completes."""
    for part in folder.glob("*.part"):
        with suppress(OSError):  # another process may have removed it
            if time.time() - part.stat().st_mtime > ABANDONED_SECONDS:
                part.unlink()
    total = 0
    for path, size in _newest_first(folder):
        total += size
        if total > MAX_CACHE_BYTES and total > size:  # the newest stays, however large
            with suppress(OSError):  # Windows does not remove mapped files
                path.unlink()


def _newest_first(folder: Path) -> list[tuple[Path, int]]:
    found = []
    for path in folder.glob("*.index"):
        with suppress(OSError):
            status = path.stat()
            found.append((status.st_mtime, path, status.st_size))
    return [(path, size) for _, path, size in sorted(found, reverse=True)]
