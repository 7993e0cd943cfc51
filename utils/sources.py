"""Which pictures are meant by the files, folders and patterns that a user names."""

import glob
from collections.abc import Sequence
from pathlib import Path

from utils.image_files import IMAGE_SUFFIXES


def find_images(sources: Sequence[str | Path]) -> list[Path]:
    """All pictures of the sources, sorted, each once.

    A source is a file, a folder (searched with all folders below it, hidden ones left out) or a pattern such
    as `holiday/**/*.jpg`. Raises `ValueError` that lists every source which is not there or has no picture.
    """
    if not sources:
        raise ValueError("no picture given: name a file, a folder or a pattern such as 'photos/*.jpg'")
    found: dict[Path, Path] = {}  # from what a path leads to, so that two ways to one file count once
    problems = []
    for source in sources:
        try:
            for path in _images_of(source):
                found.setdefault(path.resolve(), path)
        except ValueError as error:
            problems.append(str(error))
    if problems:
        raise ValueError("\n".join(problems))
    return sorted(found.values())


def _images_of(source: str | Path) -> list[Path]:
    path, known = Path(source), ", ".join(IMAGE_SUFFIXES)
    if path.is_dir():
        images = [found for found in path.rglob("*") if _is_image(found) and not _is_hidden(found, path)]
        if not images:
            raise ValueError(f"{path} has no picture in it (known are {known})")
        return images
    if path.is_file():  # before patterns: a file may be called "cat[1].jpg"
        if not _is_image(path):
            raise ValueError(f"{path} is not a picture (known are {known}); for a video use video.py")
        return [path]
    if not glob.has_magic(str(source)):
        raise ValueError(f"{path.absolute()} does not exist")
    # pathlib's own glob takes no absolute pattern.
    images = [Path(name) for name in glob.glob(str(source), recursive=True) if _is_image(Path(name))]  # noqa: PTH207
    if not images:
        raise ValueError(f"no picture matches {source} in {Path.cwd()} (known are {known})")
    return images


def _is_image(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES and path.is_file()


def _is_hidden(path: Path, folder: Path) -> bool:
    return any(part.startswith(".") for part in path.relative_to(folder).parts)
