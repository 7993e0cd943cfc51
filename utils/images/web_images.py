"""Fetch images from the web into memory, with limits on size and time."""

import time
import urllib.parse
from pathlib import PurePosixPath

import numpy as np

from utils.images.image_io import ImageError
from utils.images.types import FileBytes
from utils.system.files import safe_file_name
from utils.system.http_requests import DownloadError, content_range, open_url, read_chunks

MAX_FETCHED_BYTES = 64_000_000
FETCH_TIMEOUT = 20.0  # seconds without a byte
MAX_SECONDS = 120.0  # total: a server may keep sending a byte now and then


def is_web_url(source: str) -> bool:
    """Return whether the source is a web URL rather than a path."""
    return source.lower().startswith(("http://", "https://"))


def url_file_name(url: str) -> str:
    """Return a file name for the image at a URL: the last part of the path, or the host without one."""
    parts = urllib.parse.urlsplit(url)
    last = PurePosixPath(urllib.parse.unquote(parts.path)).name
    return safe_file_name(last or parts.hostname or "image")


def fetch(url: str, timeout: float = FETCH_TIMEOUT, max_seconds: float = MAX_SECONDS) -> FileBytes:
    """Fetch the contents of a URL; `ImageError` with the reason on failure.

    Proxies from the environment (HTTPS_PROXY) are used.
    """
    start, content = time.monotonic(), bytearray()
    try:
        with open_url(_quoted(url), {}, timeout) as response:
            for chunk in read_chunks(response):
                content += chunk
                if len(content) > MAX_FETCHED_BYTES:
                    raise DownloadError(f"the file is larger than {MAX_FETCHED_BYTES // 1_000_000} MB")
                if time.monotonic() - start > max_seconds:
                    raise DownloadError(f"it takes longer than {max_seconds:g} s")
            total = content_range(response)[1]
            if total and len(content) != total:
                raise DownloadError(f"the connection broke off after {len(content):,} of {total:,} bytes")
    except (DownloadError, ValueError) as error:  # ValueError: not a URL, or a port that is not a number
        raise ImageError(f"{url}: {error}") from None
    return np.frombuffer(content, np.uint8)


def _quoted(url: str) -> str:
    """Percent-encode spaces and non-ASCII characters."""
    return urllib.parse.quote(url, safe="%/:=&?~#+!$,;'@()*[]")
