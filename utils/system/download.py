"""Fetching a file over the network: resumed where it broke off, checked, and whole or not at all."""

import glob
import hashlib
import secrets
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from tqdm import tqdm

from utils.system.http_requests import (
    DownloadError,
    RangeError,
    TemporaryError,
    chunks,
    extent,
    is_allowed,
    open_address,
    version_tag,
)

TIMEOUT = 30.0  # seconds without a byte after which a connection counts as dropped
WAITS = (1.0, 3.0, 10.0)  # seconds before each further attempt
ABANDONED = 600.0  # seconds; a part that nobody has written to for so long is of a process that was killed


def download(
    address: str, path: Path, sha256: str = "", timeout: float = TIMEOUT, waits: Sequence[float] = WAITS
) -> None:
    """Fetch what lies at `address` and put it at `path`; whoever looks there sees all of it or nothing.

    sha256   the sum that the file must have, or its first digits; empty if none is known
    timeout  seconds without a byte after which a connection is given up
    waits    seconds before each further attempt

    What has come before a connection drops, or the program ends, is kept in a file beside `path` and is not
    fetched again; of a file without a sum only within one call, since nothing would tell two versions apart.
    Several processes may fetch the same file at once. The environment's proxies (HTTPS_PROXY) are used.
    ValueError with the reason and the way to fetch it by hand.
    """
    try:
        if not is_allowed(address):
            raise DownloadError("only https addresses of files are fetched")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _part_of_ours(path, with_leftovers=bool(sha256)) as part:
            _fetch(_Transfer(address, part, timeout), sha256, waits)
            _put(part, path, sha256)
    except (DownloadError, OSError) as error:
        raise ValueError(f"{address} could not be downloaded: {error}. {_by_hand(path)}") from None


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file's bytes, 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_hand(path: Path) -> str:
    """How to do without this program's download."""
    return (
        f"Download it with a browser, on another machine perhaps, put it into {path.parent.absolute()} under "
        f"the name {path.name}, and run this again. Behind a proxy, set HTTPS_PROXY"
    )


@contextmanager
def _part_of_ours(path: Path, with_leftovers: bool) -> Iterator[Path]:
    """A path beside `path` that no other process writes to.

    With leftovers, it begins with what an earlier download has left, and what is there in the end is left to
    a later one. A random name and renaming, rather than a lock: renaming succeeds for one process alone, on
    every system and network drive.
    """
    left = path.with_name(f"{path.name}.part")
    ours = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    for other in path.parent.glob(f"{glob.escape(path.name)}.*part"):
        with suppress(OSError):  # another process may just have taken it
            if other == left or time.time() - other.stat().st_mtime > ABANDONED:
                if with_leftovers and not ours.exists():
                    other.replace(ours)
                    ours.touch()  # in use again
                else:
                    other.unlink()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.replace(left) if with_leftovers else ours.unlink()


def _fetch(transfer: "_Transfer", sha256: str, waits: Sequence[float]) -> None:
    """Complete the transfer's part, in several attempts if need be, and check its sum."""
    began_before = transfer.part.exists()
    for wait in (*waits, None):
        try:
            transfer.attempt()
            break
        except TemporaryError as error:
            if wait is None:
                raise DownloadError(f"{error}, {len(waits) + 1} times in a row") from None
            tqdm.write(f"download: {error}; trying again in {wait:g} s")
            time.sleep(wait)
    found = file_sha256(transfer.part)
    if found.startswith(sha256):
        return
    transfer.part.unlink()  # what is wrong cannot be completed to something right
    if began_before:  # with the part of a file that has changed, or whose disk failed
        return _fetch(transfer, sha256, waits)
    raise DownloadError(
        f"what comes from there is another file: its SHA-256 is {found}, not {sha256}. It was removed"
    )


@dataclass
class _Transfer:
    """Bytes on their way from an address to a file; `version` is the server's tag for the content (ETag or date)."""

    address: str
    part: Path
    timeout: float
    version: str = ""

    def attempt(self) -> None:
        """Fetch what the part lacks. TemporaryError if that may work later, DownloadError if it cannot."""
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self.version:
            headers["If-Range"] = self.version
        try:
            with open_address(self.address, headers, self.timeout) as response:
                self._receive(response, have)
        except RangeError as error:
            if error.total != have:  # else all is here already
                self.part.unlink(missing_ok=True)
                raise TemporaryError("the server has no such rest of the file") from None

    def _receive(self, response: Any, have: int) -> None:
        """Write the response's bytes behind the `have` that are there, or in their place."""
        start, total = extent(response)
        if start not in (0, have):
            raise TemporaryError("the server sends another part than it was asked for")
        self.version = version_tag(response)
        if total and total - start > (free := shutil.disk_usage(self.part.parent).free):
            raise DownloadError(
                f"it takes {(total - start) / 1e6:.0f} MB, and {free / 1e6:.0f} MB of the disk are free"
            )
        size = start
        with (
            self._open_part(start) as file,
            tqdm(
                desc=self.part.name.split(".")[0],
                initial=start,
                total=total or None,
                unit="B",
                unit_scale=True,
                leave=False,
                disable=None,
            ) as bar,
        ):
            for chunk in chunks(response):
                file.write(chunk)
                size += len(chunk)
                bar.update(len(chunk))
        if total and size != total:
            raise TemporaryError(f"the connection broke off after {size:,} of {total:,} bytes")

    @contextmanager
    def _open_part(self, start: int) -> Iterator[IO[bytes]]:
        """The part, to write to from `start` on. If the disk is full, what is there goes to make room."""
        try:
            with self.part.open("ab" if start else "wb") as file:
                yield file
        except OSError:
            with suppress(OSError):
                self.part.unlink(missing_ok=True)
            raise


def _put(part: Path, path: Path, sha256: str) -> None:
    try:
        part.replace(path)
    except PermissionError:  # on Windows, if another process has put it there and reads it
        if not sha256 or not path.is_file() or not file_sha256(path).startswith(sha256):
            raise
        part.unlink()
