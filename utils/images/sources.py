"""Find the images in the files, folders, patterns, URLs and lists that a user gives."""

import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from utils.images.headers import IMAGE_SUFFIXES
from utils.images.image_io import decode_image, read_image
from utils.images.types import Image
from utils.images.web_images import fetch, is_web_url, url_file_name

KNOWN_FORMATS = f"known are {', '.join(IMAGE_SUFFIXES)}"
STDIN = "-"  # as a source: read a list of sources from standard input


class ImageSource(NamedTuple):
    """An image to read.

    name   path or URL, as written in results
    below  path relative to the source folder, or to the part of a pattern before its first wildcard; also the
        path of results relative to the output folder
    """

    name: str
    below: PurePath


def find_image_sources(sources: Sequence[str]) -> list[ImageSource]:
    """Return all images of the sources without duplicates, in the order of the sources; folders are sorted.

    A source is a file, a folder (searched recursively, without hidden folders), a pattern such as
    `holiday/**/*.jpg`, a URL, or "-": sources on standard input, one per line. A missing file in the list on
    standard input counts as an image, and fails when it is read; `ValueError` lists all other sources that do
    not exist or contain no image.
    """
    if not sources:
        raise ValueError(
            "no image given: name a file, a folder, a pattern such as 'photos/*.jpg', a URL, or - for a list "
            "on standard input"
        )
    found: dict[str, ImageSource] = {}  # by resolved path, so that two paths of one file give one image
    problems = []
    for source in sources:
        lines = listed() if source == STDIN else [source]
        for line in lines:
            try:
                for image in _images_of(line, strict=source != STDIN):
                    found.setdefault(_identity(image.name), image)
            except ValueError as error:
                problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    if not found:
        raise ValueError("the list on standard input is empty: it needs one path or URL per line")
    return list(found.values())


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """Return the paths of all images in files, folders and patterns; see `find_image_sources`."""
    return [Path(image.name) for image in find_image_sources([str(source) for source in sources])]


def read_source(name: str) -> Image:
    """Read the image at a path or URL; `ImageError` if it cannot be fetched or read."""
    return decode_image(fetch(name), name) if is_web_url(name) else read_image(name)


def listed() -> list[str]:
    """Return the non-empty lines of standard input; bytes that are not UTF-8 are kept for file names."""
    text = sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _images_of(source: str, strict: bool) -> list[ImageSource]:
    path = Path(source)
    if is_web_url(source):
        return [ImageSource(source, PurePath(url_file_name(source)))]
    if path.is_dir():
        images = [found for found in path.rglob("*") if _is_image(found) and not _is_hidden(found, path)]
        if not images:
            raise ValueError(f"{path} contains no image ({KNOWN_FORMATS})")
        return [ImageSource(str(image), image.relative_to(path)) for image in sorted(images)]
    if path.is_file():  # before patterns: a file may be called "cat[1].jpg"
        if strict and not _is_image(path):
            raise ValueError(f"{path} is not an image ({KNOWN_FORMATS}); for a video use video.py")
        return [ImageSource(source, PurePath(path.name))]
    if glob.has_magic(source):
        return _matching(source)
    if strict:
        raise ValueError(f"{path.absolute()} does not exist")
    return [ImageSource(source, PurePath(path.name))]


def _matching(pattern: str) -> list[ImageSource]:
    """Return the matching images, with paths relative to the pattern's folders before any wildcard."""
    # pathlib's own glob takes no absolute pattern.
    images = [Path(name) for name in glob.glob(pattern, recursive=True) if _is_image(Path(name))]  # noqa: PTH207
    if not images:
        raise ValueError(f"no image matches {pattern} in {Path.cwd()} ({KNOWN_FORMATS})")
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    return [ImageSource(str(image), image.relative_to(fixed)) for image in sorted(images)]


def _identity(name: str) -> str:
    return name if is_web_url(name) else os.path.normcase(Path(name).resolve())


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
