"""Atomic writes of files and folders, and UTF-8 text files."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

TEXT_BLOCK_SIZE = 1 << 22  # characters; larger blocks are no faster


@contextmanager
def replacing(path: Path, backup: Path | None = None, durable: bool = True) -> Iterator[Path]:
    """Write a file atomically: yield a temporary path next to `path`, and rename it to `path` on success.

    On failure the temporary file is removed. Missing folders are created. Readers of `path` see the old file
    until it is replaced.

    backup   path to move the old file to; `path` is missing for a moment, but then the backup exists
    durable  whether to flush to disk first, so that the file survives a power failure; takes 8 ms
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    try:
        yield beside
        if durable:
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
        if backup is not None and path.exists():
            path.replace(backup)
        beside.replace(path)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # disk full: the error does not name the file
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Create a folder atomically: yield a temporary folder next to `path`, and rename it on success.

    On failure the temporary folder is removed. ValueError if `path` exists and is not an empty folder.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} exists and is not empty: choose another --output, or remove it")
    beside = path.with_name(path.name + ".tmp")
    if beside.exists():
        raise ValueError(
            f"{beside} was left by an interrupted run, or another run is writing to it: remove it"
        )
    beside.mkdir(parents=True)
    try:
        yield beside
        if path.exists():
            path.rmdir()  # Windows cannot rename a folder over another
        beside.rename(path)
    finally:
        if beside.exists():
            shutil.rmtree(beside)


@contextmanager
def staged(path: Path) -> Iterator[Path]:
    """Yield a path of the same name in a temporary folder, to write and verify a file or folder there.

    The result replaces `path` on success, and is removed on failure.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        beside = Path(folder) / path.name
        yield beside
        if path.is_dir():  # a folder can replace only an empty one
            path.rename(Path(folder) / "before")
        beside.replace(path)


def read_text(path: Path) -> str:
    """Read a UTF-8 text file, with or without a byte order mark; line endings become newlines.

    ValueError if the file does not exist or is not UTF-8.
    """
    with _explained_errors(path):
        return path.read_text(encoding="utf-8-sig")


def text_blocks(path: Path, size: int = TEXT_BLOCK_SIZE) -> Iterator[str]:
    """Yield a large text file in blocks of whole lines, about `size` characters each."""
    with _explained_errors(path), path.open(encoding="utf-8-sig") as file:
        while block := file.read(size):
            yield block + file.readline()


def write_text(path: Path, text: str, durable: bool = True) -> None:
    """Write the text as UTF-8, atomically; see `replacing`."""
    with replacing(path, durable=durable) as beside:
        beside.write_bytes(text.encode("utf-8"))  # as bytes: the same line endings on every system


@contextmanager
def _explained_errors(path: Path) -> Iterator[None]:
    """Turn errors of opening and decoding into a `ValueError` that says what to do."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path.absolute()} does not exist") from None
    except IsADirectoryError:
        raise ValueError(f"{path.absolute()} is a folder, not a text file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8 in a text editor") from None


def safe_file_name(text: str) -> str:
    """Replace characters that are forbidden in file names on some systems by underscores."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", text).strip(" .") or "_"
