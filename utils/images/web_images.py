"""Images from the web, into memory: at most so large, and at most so long."""

import time
import urllib.parse
from pathlib import PurePosixPath

import numpy as np

from utils.images.image_io import ImageError
from utils.system.files import safe_file_name
from utils.system.http_requests import DownloadError, chunks, extent, open_address

MOST_BYTES = 64_000_000
TIMEOUT = 20.0  # seconds without a byte
LONGEST = 120.0  # seconds in all: a server may send a byte now and then, for ever


def is_web_url(source: str) -> bool:
    """Whether it is an address on the web rather than a path."""
    return source.lower().startswith(("http://", "https://"))


def name_of(address: str) -> str:
    """A name for the image's file: the last part of the address's path, or the host where there is none."""
    parts = urllib.parse.urlsplit(address)
    last = PurePosixPath(urllib.parse.unquote(parts.path)).name
    return safe_file_name(last or parts.hostname or "image")


def fetch(address: str, timeout: float = TIMEOUT, longest: float = LONGEST) -> np.ndarray:
    """The bytes, uint8 [N], that lie at the address; `ImageError` with the reason where there are none.

    The environment's proxies (HTTPS_PROXY) are used.
    """
    start, content = time.monotonic(), bytearray()
    try:
        with open_address(_quoted(address), {}, timeout) as response:
            for chunk in chunks(response):
                content += chunk
                if len(content) > MOST_BYTES:
                    raise DownloadError(f"more than {MOST_BYTES // 1_000_000} MB come from there")
                if time.monotonic() - start > longest:
                    raise DownloadError(f"it takes longer than {longest:g} s")
            total = extent(response)[1]
            if total and len(content) != total:
                raise DownloadError(f"the connection broke off after {len(content):,} of {total:,} bytes")
    except (DownloadError, ValueError) as error:  # ValueError: no address at all, a port that is no number
        raise ImageError(f"{address}: {error}") from None
    return np.frombuffer(content, np.uint8)


def _quoted(address: str) -> str:
    """The address with spaces and letters beyond ASCII as servers understand them."""
    return urllib.parse.quote(address, safe="%/:=&?~#+!$,;'@()*[]")
