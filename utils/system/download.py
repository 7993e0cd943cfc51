"""File downloads, resumed after interruptions, checked by SHA-256, and written atomically."""

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
    content_range,
    is_allowed_url,
    open_url,
    read_chunks,
    version_tag,
)

DOWNLOAD_TIMEOUT = 30.0  # seconds without data after which a connection counts as dropped
RETRY_DELAYS = (1.0, 3.0, 10.0)  # seconds to wait before each retry
PART_EXPIRY = 600.0  # seconds without a write after which the process writing a part counts as killed


def download(
    url: str,
    path: Path,
    sha256: str = "",
    timeout: float = DOWNLOAD_TIMEOUT,
    retry_delays: Sequence[float] = RETRY_DELAYS,
) -> None:
    """Download the file at `url` to `path`, atomically.

    sha256        checksum of the file, or its first digits; empty if unknown
    timeout       seconds without data after which the connection is closed
    retry_delays  seconds to wait before each retry

    If the connection drops or the program ends, the partial file is kept next to `path`, and the next attempt
    resumes it; without a checksum only within one call, since the file could have changed on the server.
    Several processes may download the same file in parallel. Uses the environment's proxies (HTTPS_PROXY). On
    failure, ValueError with the reason, and how to download the file by hand.
    """
    try:
        if not is_allowed_url(url):
            raise DownloadError("only https URLs of files are downloaded")
        path.parent.mkdir(parents=True, exist_ok=True)
        with _own_part(path, with_leftovers=bool(sha256)) as part:
            _fetch(_Transfer(url, part, timeout), sha256, retry_delays)
            _put(part, path, sha256)
    except (DownloadError, OSError) as error:
        raise ValueError(f"{url} could not be downloaded: {error}. {_by_hand(path)}") from None


def file_sha256(path: Path) -> str:
    """Return the SHA-256 of a file as 64 hexadecimal digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _by_hand(path: Path) -> str:
    """Return instructions to download the file by hand."""
    return (
        f"Download it with a browser, perhaps on another machine, save it in {path.parent.absolute()} under "
        f"the name {path.name}, and run this again. Behind a proxy, set HTTPS_PROXY"
    )


@contextmanager
def _own_part(path: Path, with_leftovers: bool) -> Iterator[Path]:
    """Yield a path next to `path` that no other process writes to.

    With leftovers, the file starts with the partial file of an earlier download, and an incomplete file is
    kept for a later download. Random names and renaming serve as a lock: renaming a file succeeds in one
    process only, on every system and network drive.
    """
    leftover = path.with_name(f"{path.name}.part")
    ours = path.with_name(f"{path.name}.{secrets.token_hex(4)}.part")
    for other in path.parent.glob(f"{glob.escape(path.name)}.*part"):
        with suppress(OSError):  # another process may have just renamed it
            if other == leftover or time.time() - other.stat().st_mtime > PART_EXPIRY:
                if with_leftovers and not ours.exists():
                    other.replace(ours)
                    ours.touch()  # in use again
                else:
                    other.unlink()
    try:
        yield ours
    finally:
        with suppress(OSError):
            ours.replace(leftover) if with_leftovers else ours.unlink()


def _fetch(transfer: "_Transfer", sha256: str, retry_delays: Sequence[float]) -> None:
    """Download the rest of the part, with retries, and check the SHA-256."""
    resumed = transfer.part.exists()
    for delay in (*retry_delays, None):
        try:
            transfer.attempt()
            break
        except TemporaryError as error:
            if delay is None:
                raise DownloadError(f"{error}, {len(retry_delays) + 1} times in a row") from None
            tqdm.write(f"download: {error}; trying again in {delay:g} s")
            time.sleep(delay)
    found = file_sha256(transfer.part)
    if found.startswith(sha256):
        return
    transfer.part.unlink()  # a wrong file cannot be resumed
    if resumed:  # the part may come from another version of the file
        return _fetch(transfer, sha256, retry_delays)
    raise DownloadError(f"it is another file: its SHA-256 is {found}, not {sha256}. It was removed")


@dataclass
class _Transfer:
    """A download in progress. `version` is the ETag or date of the file on the server."""

    url: str
    part: Path
    timeout: float
    version: str = ""

    def attempt(self) -> None:
        """Fetch the missing bytes. TemporaryError if a retry may succeed, else DownloadError."""
        have = self.part.stat().st_size if self.part.exists() else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and self.version:
            headers["If-Range"] = self.version
        try:
            with open_url(self.url, headers, self.timeout) as response:
                self._receive(response, have)
        except RangeError as error:
            if error.total != have:  # if equal, the part is complete
                self.part.unlink(missing_ok=True)
                raise TemporaryError("the server's file is shorter than the part that was resumed") from None

    def _receive(self, response: Any, have: int) -> None:
        """Append the response to the part, which has `have` bytes, or overwrite the part."""
        start, total = content_range(response)
        if start not in (0, have):
            raise TemporaryError("the server sends another range than was requested")
        self.version = version_tag(response)
        if total and total - start > (free := shutil.disk_usage(self.part.parent).free):
            raise DownloadError(
                f"it takes {(total - start) / 1e6:.0f} MB, and {free / 1e6:.0f} MB of disk space are free"
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
            for chunk in read_chunks(response):
                file.write(chunk)
                size += len(chunk)
                bar.update(len(chunk))
        if total and size != total:
            raise TemporaryError(f"the connection broke off after {size:,} of {total:,} bytes")

    @contextmanager
    def _open_part(self, start: int) -> Iterator[IO[bytes]]:
        """Open the part for writing from `start`. If the disk is full, remove the part to free space."""
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
    except PermissionError:  # on Windows, if another process has put it there and is reading it
        if not sha256 or not path.is_file() or not file_sha256(path).startswith(sha256):
            raise
        part.unlink()
