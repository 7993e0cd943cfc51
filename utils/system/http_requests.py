"""HTTP requests for files: safe URLs, errors worth a retry, and byte ranges."""

import http.client
import ssl
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

CHUNK_SIZE = 1 << 20  # maximum bytes per read
USER_AGENT = "boxwright"  # pjreddie.com answers 403 to urllib's default
_TEMPORARY = (408, 425, 429, 500, 502, 503, 504)  # statuses of busy or restarting servers


class DownloadError(Exception):
    """A file cannot be downloaded; the message says why."""


class TemporaryError(DownloadError):
    """A file cannot be downloaded now, but a retry may succeed."""


class RangeError(DownloadError):
    """The requested range is beyond the end of the file. `total` is the file's length, if known."""

    def __init__(self, content_range: str) -> None:
        super().__init__("the server has no such range of the file")
        length = content_range.removeprefix("bytes */")
        self.total = int(length) if length.isdecimal() else None


def is_allowed_url(url: str) -> bool:
    """Return whether this is an https URL of a file, without a query; 127.0.0.1 may use http."""
    parts = urllib.parse.urlsplit(url)
    secure = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname == "127.0.0.1")
    return secure and bool(Path(parts.path).suffix) and not parts.query


class _Redirects(urllib.request.HTTPRedirectHandler):
    """A redirect handler that follows only https URLs."""

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        before, after = urllib.parse.urlsplit(req.full_url), urllib.parse.urlsplit(newurl)
        local = after.scheme == "http" and before.hostname == after.hostname == "127.0.0.1"
        if after.scheme != "https" and not local:
            raise DownloadError(f"the server redirects to {newurl}, and only https is safe")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def open_url(url: str, headers: Mapping[str, str], timeout: float) -> Any:
    """Request a file and return the response, which the caller must close.

    RangeError if the requested range does not exist, TemporaryError if a retry may succeed, else
    DownloadError.
    """
    request = urllib.request.Request(url, headers={"User-Agent": USER_AGENT, **headers})
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
        raise (DownloadError if certificate else TemporaryError)(_connection_problem(reason)) from None
    if response.headers.get_content_type() == "text/html":  # a site that moved, or a captive portal
        response.close()
        raise DownloadError("the server sends a web page, not the file")
    return response


def read_chunks(response: Any) -> Iterator[bytes]:
    """Yield the response body as it arrives."""
    try:
        while chunk := response.read1(CHUNK_SIZE):
            yield chunk
    except (OSError, http.client.HTTPException) as error:
        raise TemporaryError(_connection_problem(error)) from None


def _connection_problem(reason: object) -> str:
    if isinstance(reason, TimeoutError):
        return "the server did not answer in time"
    return f"the connection failed ({reason})"


def content_range(response: Any) -> tuple[int, int]:
    """Return the offset in the file of the response's first byte, and the file's size (0 if unknown)."""
    try:
        length = int(response.headers.get("Content-Length", 0))
        if response.status != 206:
            return 0, length
        span, total = response.headers["Content-Range"].removeprefix("bytes ").split("/")
        start = int(span.split("-")[0])
        return start, int(total) if total != "*" else length and start + length
    except (AttributeError, ValueError):
        raise TemporaryError("the server does not say which range it sends") from None


def version_tag(response: Any) -> str:
    """Return the ETag or date of this version of the file, for an If-Range header; "" if none."""
    tag = response.headers.get("ETag", "")
    return response.headers.get("Last-Modified", "") if not tag or tag.startswith("W/") else tag
