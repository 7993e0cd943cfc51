"""What a file that is not a readable image is, by its first bytes, and what to do about it."""

import re
from pathlib import Path
from typing import NamedTuple

import numpy as np

from utils.images.types import FileBytes

SAVE_AS = "save it as JPEG or PNG"
COPY_AGAIN = "copy or download it again"
LOOKED_AT = 4096  # bytes


class Kind(NamedTuple):
    """A kind of file: a pattern of its first bytes, its name, and what to do about it."""

    start: bytes
    name: str
    fix: str


KINDS = tuple(
    Kind(*kind)
    for kind in (
        (rb"(?s)....ftyp(?:hei[cxms]|hev[cxms]|mif1|msf1)", "a HEIC image", SAVE_AS),
        (rb"(?s)....ftypavi[fs]", "an AVIF image", SAVE_AS),
        (rb"(?s)....ftypcrx ", "a camera's raw image", SAVE_AS),
        (
            rb"(?s)....ftyp|\x1a\x45\xdf\xa3|(?s:RIFF....AVI )|FLV\x01",
            "a video",
            "give it to video.py --source",
        ),
        (rb"GIF8[79]a", "a GIF image", SAVE_AS),
        (rb"\xff\x0a|\0\0\0\x0cJXL ", "a JPEG XL image", SAVE_AS),
        (rb"\0\0\0\x0cjP  |\xff\x4f\xff\x51", "a JPEG 2000 image", SAVE_AS),
        (rb"8BPS", "a Photoshop image", SAVE_AS),
        (rb"%!PS|\xc5\xd0\xd3\xc6", "PostScript, which Pillow would run", SAVE_AS),
        (rb"%PDF", "a PDF document", "save its pages as JPEG or PNG"),
        (rb"version https://git-lfs", "a Git LFS pointer, not the image itself", "run git lfs pull"),
        (
            rb"(?is)\s*(?:<!--.*?-->\s*)*<(?:!doctype html|html|head|body)\b",
            "a web page",
            "download the image itself",
        ),
        (rb"(?is)\s*(?:<\?xml.*?)?<svg\b", "an SVG drawing", SAVE_AS),
        (rb"\s*<(?:\?xml|annotation)", "XML text", "put labels into the folder of the labels"),
        (rb"\s*[\[{]\s*[\"\[{\d\]}-]", "JSON text", "put labels into the folder of the labels"),
        (rb"PK\x03\x04|PK\x05\x06", "a ZIP archive", "unpack it"),
        (rb"\x1f\x8b|7z\xbc\xaf|Rar!|BZh|\xfd7zXZ|\x28\xb5\x2f\xfd", "a compressed archive", "unpack it"),
        (rb"\x93NUMPY", "a NumPy array", SAVE_AS),
        (rb"\x89HDF", "an HDF5 file", "save its images as JPEG or PNG"),
        (rb"\0{16,}\Z", "a file of zero bytes", COPY_AGAIN),
    )
)
TEXT = re.compile(rb"[\t\n\r\x20-\x7e\x80-\xff]+\Z")


def describe_bytes(data: FileBytes) -> str:
    """Return what the contents of a file are, with what to do; "" if they are of no known kind."""
    start = data[:LOOKED_AT].tobytes().removeprefix(b"\xef\xbb\xbf")
    for kind in KINDS:
        if re.match(kind.start, start):
            return f"{kind.name}: {kind.fix}"
    return "a text file, not an image" if TEXT.match(start) and _is_utf8(start) else ""


def describe_file(path: Path) -> str:
    """Return what a file is, as `describe_bytes`; "" if it cannot be read."""
    try:
        return describe_bytes(np.fromfile(path, np.uint8, LOOKED_AT))
    except OSError:
        return ""


def _is_utf8(start: bytes) -> bool:
    try:
        start[:-4].decode()  # the last character may be cut
    except UnicodeDecodeError as error:
        return error.start >= len(start) - 8
    return True
