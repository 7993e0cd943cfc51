"""Find the images in the files, folders, patterns, URLs and lists that a user gives."""

import glob
import os
import sys
from collections.abc import Sequence
from pathlib import Path, PurePath
from typing import NamedTuple

from utils.images.file_kind import describe_file
from utils.images.headers import IMAGE_SUFFIXES
from utils.images.image_io import decode_image, read_image
from utils.images.types import Image
from utils.images.web_images import fetch, is_web_url, url_file_name

KNOWN_FORMATS = f"known are {', '.join(IMAGE_SUFFIXES)}"
OTHERS_NAMED = 3  # files that are not images, named in a message
STDIN = "-"  # as a source: read a list of sources from standard input


class ImageSource(NamedTuple):
    """An image to read.

    name   path or URL, as written in results
    below  path relative to the source folder, or to the part of a pattern before its first wildcard; also the
        path of results relative to the output folder
    """

    name: str
    below: PurePath


class FoundSources(NamedTuple):
    """The images of the sources, and the other files in folders and among the matches of patterns."""

    images: list[ImageSource]
    others: list[Path]


def find_image_sources(sources: Sequence[str]) -> FoundSources:
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
    others: list[Path] = []
    problems = []
    for source in sources:
        lines = listed() if source == STDIN else [source]
        for line in lines:
            try:
                images, more = _images_of(line, strict=source != STDIN)
                others += more
                for image in images:
                    found.setdefault(_identity(image.name), image)
            except ValueError as error:
                problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    if not found:
        raise ValueError("the list on standard input is empty: it needs one path or URL per line")
    return FoundSources(list(found.values()), sorted(set(others)))


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """Return the paths of all images in files, folders and patterns; see `find_image_sources`."""
    return [Path(image.name) for image in find_image_sources([str(source) for source in sources]).images]


def read_source(name: str) -> Image:
    """Read the image at a path or URL; `ImageError` if it cannot be fetched or read."""
    return decode_image(fetch(name), name) if is_web_url(name) else read_image(name)


def listed() -> list[str]:
    """Return the non-empty lines of standard input; bytes that are not UTF-8 are kept for file names."""
    text = sys.stdin.buffer.read().decode("utf-8-sig", "surrogateescape")
    return [line.strip() for line in text.splitlines() if line.strip()]


def _images_of(source: str, strict: bool) -> FoundSources:
    path = Path(source)
    if is_web_url(source):
        return FoundSources([ImageSource(source, PurePath(url_file_name(source)))], [])
    if path.is_dir():
        found = _below([file for file in path.rglob("*") if not _is_hidden(file, path)], path)
        if not found.images:
            raise ValueError(_with_others(f"{path} contains no image ({KNOWN_FORMATS})", found.others))
        return found
    if (
        path.is_file() and strict and not _is_image(path)
    ):  # before patterns: a file may be called "cat[1].jpg"
        kind = describe_file(path) or f"it is not an image ({KNOWN_FORMATS}); for a video use video.py"
        raise ValueError(f"{path}: {kind}")
    if glob.has_magic(source) and not path.is_file():
        return _matching(source)
    if strict and not path.is_file():
        raise ValueError(f"{path.absolute()} does not exist")
    return FoundSources([ImageSource(source, PurePath(path.name))], [])


def others_text(others: Sequence[Path]) -> str:
    """Return how many files are not images, and the names of the first; "" for none."""
    if not others:
        return ""
    names = ", ".join(path.name for path in others[:OTHERS_NAMED]) + ", ..." * (len(others) > OTHERS_NAMED)
    what = "1 file that is no image" if len(others) == 1 else f"{len(others)} files that are not images"
    return f"{what}: {names}"


def _with_others(text: str, others: Sequence[Path]) -> str:
    return f"{text}, but {others_text(others)}" if others else text


def _matching(pattern: str) -> FoundSources:
    """Return the matching images, with paths relative to the pattern's folders before any wildcard."""
    fixed = Path(pattern)
    while glob.has_magic(str(fixed)):
        fixed = fixed.parent
    # pathlib's own glob takes no absolute pattern.
    found = _below([Path(name) for name in glob.glob(pattern, recursive=True)], fixed)  # noqa: PTH207
    if not found.images:
        text = f"no image matches {pattern} in {Path.cwd()} ({KNOWN_FORMATS})"
        raise ValueError(_with_others(text, found.others))
    return found


def _below(paths: Sequence[Path], folder: Path) -> FoundSources:
    """Return which of the paths in the folder are images and which are other files, both sorted."""
    images = [ImageSource(str(path), path.relative_to(folder)) for path in sorted(paths) if _is_image(path)]
    return FoundSources(images, [path for path in sorted(paths) if path.is_file() and not _is_image(path)])


def _identity(name: str) -> str:
    return name if is_web_url(name) else os.path.normcase(Path(name).resolve())


def _is_image(path: Path) -> bool:
    """Return whether it is a file with a suffix of images; a link to nothing is one, and fails when read."""
    return path.suffix.lower() in IMAGE_SUFFIXES and (path.is_file() or not path.exists())


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
