"""Paths in annotation files, as they were written on another system."""

import os
from pathlib import Path


def existing_path(folder: Path, name: str) -> str:
    """Return `folder / name`; with backslashes as slashes if `name` has some and does not exist as it is.

    Files are looked up for names with a backslash only: it separates folders on Windows, elsewhere it is a
    rare character in a file name.
    """
    path = str(folder / name)
    if "\\" in name and os.sep == "/" and not os.path.lexists(path):
        return str(folder / name.replace("\\", "/"))
    return path
