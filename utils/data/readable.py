"""Whether the images of a data set are whole, before hours are spent on them."""

from pathlib import Path

import numpy as np

from utils.data.index import DatasetIndex
from utils.images.image_io import ImageError, read_image

MOST_BROKEN = 0.01  # share of the images that may be: a training goes on without them
LOOKED_AT = 20_000  # images of a larger data set, evenly over it: enough to tell its share
SHOWN = 10
ENDS = {  # how a whole file begins and ends
    ".jpg": (b"\xff\xd8", b"\xff\xd9"),
    ".jpeg": (b"\xff\xd8", b"\xff\xd9"),
    ".png": (b"\x89PNG\r\n\x1a\n", b"IEND\xae\x42\x60\x82"),
}


def require_readable(index: DatasetIndex, spec: str) -> None:
    """Raise `ValueError` that names the files if more than a hundredth of the images cannot be read.

    Fewer are left out while training, and named.
    """
    looked_at = np.unique(np.linspace(0, len(index) - 1, min(len(index), LOOKED_AT)).astype(int))
    broken = {path: reason for path in map(index.path, looked_at) if (reason := why_broken(path))}
    if len(broken) <= MOST_BROKEN * len(looked_at):
        return
    shown = "\n".join(f"  {reason}" for reason in list(broken.values())[:SHOWN])
    more = f"\n  and {len(broken) - SHOWN} more" if len(broken) > SHOWN else ""
    raise ValueError(
        f"{len(broken)} of {len(looked_at)} images of {spec} cannot be read, "
        f"more than 1 in 100:\n{shown}{more}\n"
        "Copy them again, or take them out of the data set (python doctor.py --data SPEC looks at every one)"
    )


def why_broken(path: Path) -> str:
    """Why an image cannot be read, with its path; "" if it can.

    A JPEG or PNG file that begins and ends as it should is taken as whole, 30 times faster than by decoding
    it; any other is decoded, for some programs write more after the end.
    """
    try:
        if looks_whole(path):
            return ""
        read_image(path)
    except ImageError as error:
        return str(error)
    return ""


def looks_whole(path: Path) -> bool:
    """Whether a file begins and ends as its kind does; False where that is not known."""
    start, end = ENDS.get(path.suffix.lower(), (b"", b""))
    try:
        with path.open("rb") as file:
            begins = file.read(len(start)) == start
            file.seek(-len(end), 2)
            return bool(start) and begins and file.read() == end
    except OSError:
        return False
