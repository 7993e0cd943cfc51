"""Check that the images of a data set can be read, before a run spends hours on it."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from utils.data.index import DatasetIndex
from utils.data.summary import first_lines
from utils.images.headers import JPEG_SUFFIXES, PNG_SIGNATURE
from utils.images.image_io import ImageError, read_image

MAX_BROKEN_SHARE = 0.01  # fraction of the images that training may skip
MAX_NAMED = 10  # unreadable files that are listed
MAX_CHECKED = 20_000  # images, evenly spaced in a larger data set; enough to estimate the fraction
FIRST_AND_LAST_BYTES = {  # in a complete file
    **dict.fromkeys(JPEG_SUFFIXES, (b"\xff\xd8", b"\xff\xd9")),
    ".png": (PNG_SIGNATURE, b"IEND\xae\x42\x60\x82"),
}


def require_readable(index: DatasetIndex, spec: str) -> None:
    """Raise `ValueError` with the file names if more than 1 % of the images cannot be read.

    If fewer, training skips and reports them.
    """
    checked = np.unique(np.linspace(0, len(index) - 1, min(len(index), MAX_CHECKED)).astype(int))
    broken = {path: reason for path in map(index.path, checked) if (reason := why_broken(path))}
    if len(broken) <= MAX_BROKEN_SHARE * len(checked):
        return
    raise ValueError(
        f"{len(broken)} of {len(checked)} images of {spec} cannot be read, "
        f"more than 1 in 100:\n{first_lines(list(broken.values()))}\n"
        "Copy them again, or remove them from the data set (python doctor.py --data SPEC checks every image)"
    )


def why_broken(path: Path) -> str:
    """Return why an image cannot be read, with its path; "" if it is readable.

    A JPEG or PNG file with the correct first and last bytes counts as readable, a check 30 times faster than
    decoding. Any other file is decoded, since some programs append data after the end.
    """
    try:
        if looks_complete(path):
            return ""
        read_image(path)
    except ImageError as error:
        return str(error)
    return ""


def looks_complete(path: Path) -> bool:
    """Return whether a JPEG or PNG file has the correct first and last bytes; False for other formats."""
    start, end = FIRST_AND_LAST_BYTES.get(path.suffix.lower(), (b"", b""))
    try:
        with path.open("rb") as file:
            begins = file.read(len(start)) == start
            file.seek(-len(end), 2)
            return bool(start) and begins and file.read() == end
    except OSError:
        return False


def unreadable_lines(what: str, paths: Sequence[str]) -> list[str]:
    """Return a line for each file that could not be read, and one for those beyond the first ten.

    what  what was done with them: "skipped"
    """
    named = [f"{what}, cannot be read: {path}" for path in paths[:MAX_NAMED]]
    more = len(paths) - MAX_NAMED
    return [*named, f"and {more} more {what}"] if more > 0 else named
