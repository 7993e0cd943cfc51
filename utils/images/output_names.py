"""Unique names for the output files of many images."""

import os
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from functools import lru_cache
from pathlib import Path, PurePath

from utils.images.headers import image_key
from utils.system.files import safe_file_name, short_name

RESERVED = ("crops", "heatmaps", "labels")  # folders of other results, not for annotated images


def output_names(paths: Sequence[Path]) -> list[str]:
    """Return a unique file name, without folder and extension, for each image.

    This is the image's stem if it is unique: `x`. Otherwise the folders that differ are prepended, `a_x` and
    `b_x`, and if needed the extension is appended, `x_jpg` and `x_png`. Names depend only on the set of
    paths, not on their order, and differ by more than case, which some file systems ignore.
    """
    folder = _common_folder(paths)
    choices = [_flat_choices(_below(path, folder)) for path in paths]
    return _distinct(choices, list(map(str, paths)))


def names_below(
    sources: Sequence[str], relative_paths: Sequence[PurePath], taken: Collection[str] = ()
) -> list[str]:
    """Return a unique path without extension, relative to the output folder, for each image.

    sources         paths or URLs of the images
    relative_paths  image paths relative to the folder or pattern that the user gave (`ImageSource`)
    taken           names already used by earlier images

    Folders of the relative path are kept: `a/x`. Images that differ only in their extension get it as a
    suffix, `x_jpg` and `x_png`; images with equal paths below several source folders keep these folders too,
    without the part that all sources share.
    """
    folder = _common_folder([Path(source) for source in sources if "://" not in source])
    choices = []
    for source, relative in zip(sources, relative_paths, strict=True):
        whole = _url_path(source) if "://" in source else _below(Path(source), folder)
        suffixes = ("", relative.suffix.replace(".", "_"))
        choices.append([_with_suffix(path, suffix) for path in (relative, whole) for suffix in suffixes])
    return _distinct(choices, list(sources), {_key(name) for name in taken})


@lru_cache(8)
def class_folders(class_names: tuple[str, ...]) -> list[str]:
    """Return a folder name for each class: distinct, also where case is ignored, and valid everywhere."""
    names = [safe_file_name(name) for name in class_names]
    order = [
        f"{safe != name}{name}" for safe, name in zip(names, class_names, strict=True)
    ]  # changed ones last
    return _numbered(names, order, ())


def _distinct(
    choices: Sequence[Sequence[str]], tie_order: Sequence[str], taken: Iterable[str] = ()
) -> list[str]:
    """Return the first unique choice of each image, or the last choice with a number if none is unique."""
    level = [0] * len(choices)
    while True:
        names = [options[index] for options, index in zip(choices, level, strict=True)]
        times = Counter([*map(_key, names), *taken])
        alike = [
            k for k, name in enumerate(names) if times[_key(name)] > 1 and level[k] + 1 < len(choices[k])
        ]
        if not alike:
            return _numbered(names, tie_order, taken)
        for k in alike:
            level[k] += 1


def _common_folder(paths: Sequence[Path]) -> str:
    try:
        return os.path.commonpath([path.absolute().parent for path in paths]) if paths else ""
    except ValueError:  # several Windows drives
        return ""


def _below(path: Path, folder: str) -> PurePath:
    """Return the path relative to the folder, or without a folder the absolute path without its drive."""
    absolute = path.absolute()
    if folder:
        return absolute.relative_to(folder)
    return PurePath(*[part for part in absolute.parts if part != absolute.anchor])


def _url_path(url: str) -> PurePath:
    parts = urllib.parse.urlsplit(url)
    path = urllib.parse.unquote(parts.path).strip("/").split("/")
    return PurePath(*[safe_file_name(part) for part in (parts.hostname or "web", *path)])


def _flat_choices(below: PurePath) -> list[str]:
    """Return possible names of an image, from the shortest to the most specific."""
    with_folders = "_".join([*below.parent.parts, below.stem])
    return [short_name(name) for name in (below.stem, with_folders, f"{with_folders}_{below.suffix[1:]}")]


def _with_suffix(path: PurePath, suffix: str) -> str:
    """Join folders and stem with `/`, and append the suffix; a reserved first folder gets an underscore."""
    first, *folders = [*path.parent.parts, short_name(path.stem + suffix)]
    return "/".join([f"{first}_" if folders and first.casefold() in RESERVED else first, *folders])


def _key(name: str) -> str:
    return image_key(name).casefold()


def _numbered(names: list[str], tie_order: Sequence[str], before: Iterable[str]) -> list[str]:
    """Append numbers to names that are still equal."""
    taken: set[str] = {*map(_key, names), *before}
    seen: set[str] = set(before)
    unique = list(names)
    for k in sorted(range(len(names)), key=lambda k: tie_order[k]):
        number = 2
        if _key(names[k]) in seen:
            while _key(unique[k]) in taken:
                unique[k] = f"{names[k]}-{number}"
                number += 1
            taken.add(_key(unique[k]))
        seen.add(_key(names[k]))
    return unique
