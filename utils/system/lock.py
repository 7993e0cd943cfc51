"""A lock on a folder, which one process holds at a time. It ends with the process, however that ends."""

import errno
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

if sys.platform == "win32":
    import msvcrt
else:
    import fcntl

LOCK = ".lock"  # the locked file; it stays, since another process could have opened one that is removed
HELD = (errno.EACCES, errno.EAGAIN, errno.EDEADLK)


@contextmanager
def folder_lock(folder: Path) -> Iterator[None]:
    """Hold the lock of a folder; ValueError if another process holds it.

    On a file system without locks there is none.
    """
    path = folder / LOCK
    if path.is_symlink():
        path.unlink()  # in a run folder of others: opening it would write where it leads
    with path.open("a+b") as file:
        if not _taken(file.fileno()):
            raise ValueError(f"another training is running in {folder}: wait for its end, or stop it")
        yield


def is_locked(folder: Path) -> bool:
    """Return whether another process holds the lock of a folder."""
    try:
        with (folder / LOCK).open("r+b") as file:
            return not _taken(file.fileno())
    except OSError:  # no lock, or not ours to open
        return False


def _taken(descriptor: int) -> bool:
    """Take the lock; return whether that worked, or there are no locks here.

    POSIX locks are not inherited: the processes that load images do not hold the lock of one that was killed.
    """
    try:
        if sys.platform == "win32":
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        else:
            fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        return error.errno not in HELD
    return True
