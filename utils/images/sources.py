"""Which images are meant by the files, folders, patterns, addresses and lists that a user names."""

import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

import numpy as np

from utils.images.headers import IMAGE_SUFFIXES
from utils.images.image_io import decode_image, read_image
from utils.images.web_images import fetch, is_web_url, name_of

KNOWN = f"known are {', '.join(IMAGE_SUFFIXES)}"
LIST = "-"  # the source that stands for names on standard input


class ImageSource(NamedTuple):
    """An image to read.

    source  its path or web address, as results call it
    below   its place below the folder, or the fixed part of the pattern, that was named: results go to the
        same place below their own folder
    """

    source: str
    below: PurePath


def find_image_sources(sources: Sequence[str]) -> list[ImageSource]:
    """All images of the sources, each once, in the order of the sources; those of a folder sorted.

    A source is a file, a folder (searched with all folders below it, hidden ones left out), a pattern such
    as `holiday/**/*.jpg`, an address on the web, or "-": sources on standard input, one a line, where files
    that are not there count as images too, for whoever reads them to tell. Raises `ValueError` that lists
    every other source that is not there or has no image.
    """
    if not sources:
        raise ValueError(
            "no image given: name a file, a folder, a pattern such as 'photos/*.jpg', an address, or - for "
            "a list on standard input"
        )
    found: dict[str, ImageSource] = {}  # from what a path leads to, so that two ways to one file count once
    problems = []
    for source in sources:
        lines = listed() if source == LIST else [source]
        for line in lines:
            try:
                for source_found in _sources_of(line, strict=source != LIST):
                    found.setdefault(_identity(source_found.source), source_found)
            except ValueError as error:
                problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    if not found:
        raise ValueError("the list on standard input is empty: give it a path or an address a line")
    return list(found.values())


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """The paths of all images of files, folders and patterns, as `find_image_sources` finds them."""
    return [
        Path(source_found.source) for source_found in find_image_sources([str(source) for source in sources])
    ]


def read_source(source: str) -> np.ndarray:
    """The image, uint8 RGB [H, W, 3], of a path or address; `ImageError` if it cannot be had or read."""
    return decode_image(fetch(source), source) if is_web_url(source) else read_image(source)


def listed() -> list[str]:
    """The lines of standard input, without empty ones: UTF-8, or whatever bytes a file system gives."""
    text = sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _sources_of(source: str, strict: bool) -> list[ImageSource]:
    path = Path(source)
    if is_web_url(source):
        return [ImageSource(source, PurePath(name_of(source)))]
    if path.is_dir():
        images = [found for found in path.rglob("*") if _is_image(found) and not _is_hidden(found, path)]
        if not images:
            raise ValueError(f"{path} has no image in it ({KNOWN})")
        return [ImageSource(str(image), image.relative_to(path)) for image in sorted(images)]
    if path.is_file():  # before patterns: a file may be called "cat[1].jpg"
        if strict and not _is_image(path):
            raise ValueError(f"{path} is not an image ({KNOWN}); for a video use video.py")
        return [ImageSource(source, PurePath(path.name))]
    if glob.has_magic(source):
        return _matching(source)
    if strict:
        raise ValueError(f"{path.absolute()} does not exist")
    return [ImageSource(source, PurePath(path.name))]


def _matching(pattern: str) -> list[ImageSource]:
    """The images that match, placed as they lie below the pattern's part before the first wildcard."""
    # pathlib's own glob takes no absolute pattern.
    images = [Path(name) for name in glob.glob(pattern, recursive=True) if _is_image(Path(name))]  # noqa: PTH207
    if not images:
        raise ValueError(f"no image matches {pattern} in {Path.cwd()} ({KNOWN})")
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return [ImageSource(str(image), image.relative_to(fixed)) for image in sorted(images)]


def _identity(source: str) -> str:
    return source if is_web_url(source) else os.path.normcase(Path(source).resolve())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
