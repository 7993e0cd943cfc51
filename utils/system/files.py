"""Files and folders that appear whole or not at all; text files are always UTF-8."""

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

BLOCK = 1 << 22  # characters; larger blocks are no faster


@contextmanager
def replacing(path: Path, keep: Path | None = None, lasting: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` on success and goes on failure.

    Folders are made as needed. Whoever reads `path` meanwhile sees the old file, if there was one. If it is
    `lasting`, the new one is on the disk before, should the power fail; that takes 8 ms, more than to make an
    image again. With `keep` the old file goes there; for a moment there is then no `path`, but always one
    of the two.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".tmp")
    try:
        yield beside
        if lasting:
            with beside.open("rb+") as file:
                os.fsync(file.fileno())
        if keep is not None and path.exists():
            path.replace(keep)
        beside.replace(path)
    except OSError as error:
        if error.filename is None and error.errno is not None:  # a full disk, which does not say which file
            raise type(error)(error.errno, error.strerror, str(path)) from error
        raise
    finally:
        beside.unlink(missing_ok=True)


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """A folder beside `path` to fill; it becomes `path` on success and goes on failure.

    Raises `ValueError` if `path` is there already, unless it is an empty folder.
    """
    path = path.absolute()
    if path.exists() and not (path.is_dir() and not any(path.iterdir())):
        raise ValueError(f"{path} exists and is not empty: choose another --output, or remove it")
    beside = path.with_name(path.name + ".tmp")
    if beside.exists():
        raise ValueError(f"{beside} was left by a run that was cut off, or one is writing there: remove it")
    beside.mkdir(parents=True)
    try:
        yield beside
        if path.exists():
            path.rmdir()  # Windows does not put a folder in the place of another
        beside.rename(path)
    finally:
        if beside.exists():
            shutil.rmtree(beside)


@contextmanager
def proving(path: Path) -> Iterator[Path]:
    """A path of the same name in a folder beside `path`, for what is to be tried before it is kept.

    A file or folder written there takes the place of `path` on success, and goes on failure.
    """
    path = path.absolute()
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as folder:
        beside = Path(folder) / path.name
        yield beside
        if path.is_dir():  # a folder takes the place of an empty one at most
            path.rename(Path(folder) / "before")
        beside.replace(path)


def read_text(path: Path) -> str:
    """The whole text of a UTF-8 file, with or without a byte order mark; line ends become newlines.

    Raises `ValueError` if there is no such file or it is not UTF-8 text.
    """
    with _said_plainly(path):
        return path.read_text(encoding="utf-8-sig")


def text_blocks(path: Path, size: int = BLOCK) -> Iterator[str]:
    """The same text in blocks of whole lines, each of about `size` characters, for files that are large."""
    with _said_plainly(path), path.open(encoding="utf-8-sig") as file:
        while block := file.read(size):
            yield block + file.readline()


def write_text(path: Path, text: str, lasting: bool = True) -> None:
    """Write the text as UTF-8; the file appears whole or not at all, as `replacing` says."""
    with replacing(path, lasting=lasting) as beside:
        beside.write_bytes(text.encode("utf-8"))  # bytes: the line ends are the same on every system


@contextmanager
def _said_plainly(path: Path) -> Iterator[None]:
    """Errors of opening and decoding as `ValueError` with the fix."""
    try:
        yield
    except FileNotFoundError:
        raise ValueError(f"{path.absolute()} does not exist") from None
    except IsADirectoryError:
        raise ValueError(f"{path.absolute()} is a folder, not a text file") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not UTF-8 text: save it as UTF-8 in a text editor") from None


def safe_file_name(text: str) -> str:
    """The text with what no system allows in a file name replaced by underscores."""
    return re.sub(r'[<>:"/\\|?*\x00-\x1f]', "_", text).strip(" .") or "_"
