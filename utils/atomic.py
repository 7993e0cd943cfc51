"""Files and folders that appear whole or not at all."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def replacing(path: Path, keep: Path | None = None, lasting: bool = True) -> Iterator[Path]:
    """A path beside `path` to write to; it takes the place of `path` on success and goes on failure.

    Folders are made as needed. Whoever reads `path` meanwhile sees the old file, if there was one. If it is
    `lasting`, the new one is on the disk before, should the power fail; that takes 8 ms, more than to make a
    picture again. With `keep` the old file goes there; for a moment there is then no `path`, but always one
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
