"""A file on a server: which addresses are safe, and what the server's answers say."""

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CHUNK = 1 << 20  # most bytes read at a time
USER_AGENT = "boxwright"  # pjreddie.com answers 403 to urllib's own name
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # statuses of servers that are busy or restarting


class DownloadError(Exception):
    """Why a file cannot be had."""


class TemporaryError(DownloadError):
    """It may work at the next attempt."""


class RangeError(DownloadError):
    """The file ends before the byte that was asked for. `total` is its length, if the server says it."""

    def __init__(self, content_range: str) -> None:
        super().__init__("the server has no such part of the file")
        length = content_range.removeprefix("bytes */")
        self.total = int(length) if length.isdecimal() else None


def is_allowed(address: str) -> bool:
    """Whether it is an https address that ends in a file's name; http too on this machine itself."""
    parts = urllib.parse.urlsplit(address)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == "127.0.0.1")
    return secure and bool(Path(parts.path).suffix) and not parts.query


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a server to other addresses, but to none that may not be fetched."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        local = after.scheme == "http" and before.hostname == after.hostname == "127.0.0.1"
        if after.scheme != "https" and not local:
            raise DownloadError(f"the server sends us on to {newurl}, and only https is safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_address(address: str, headers: Mapping[str, str], timeout: float) -> Any:
    """A server's answer that brings a file; to be closed. RangeError if it cannot begin where asked to.

    TemporaryError if it may do so later, DownloadError if it will not.
    """
    request = urllib.request.Request(address, headers={"User-Agent": USER_AGENT, **headers})
    try:
        response = urllib.request.build_opener(_Redirects).open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        if error.code == 416:
            raise RangeError(error.headers.get("Content-Range", "")) from None
        kind = TemporaryError if error.code in _TEMPORARY else DownloadError
        raise kind(f"the server answers {error.code} {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "reason", error)
        certificate = isinstance(reason, ssl.SSLCertVerificationError)
        raise (DownloadError if certificate else TemporaryError)(_described(reason)) from None
    if response.headers.get_content_type() == "text/html":  # of a site that moved, or of a hotel's network
        response.close()
        raise DownloadError("a web page comes from there, not the file")
    return response


def chunks(response: Any) -> Iterator[bytes]:
    """The bytes as they come."""
    try:
        while chunk := response.read1(CHUNK):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(_described(error)) from None


def _described(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "nothing came in time"
    return f"the connection failed ({reason})"


def extent(response: Any) -> tuple[int, int]:
    """The first byte that a response brings, and how many bytes the whole file has; 0 if it does not say."""
    try:
        length = int(response.headers.get("Content-Length", 0))
        if response.status != 206:
            return 0, length
        span, total = response.headers["Content-Range"].removeprefix("bytes ").split("/")
        start = int(span.split("-")[0])
        return start, int(total) if total != "*" else length and start + length
    except (AttributeError, ValueError):
        raise TemporaryError("the server does not say which part it sends") from None


def version_tag(response: Any) -> str:
    """What tells this version of the file from later ones, for If-Range; empty if nothing does."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
