"""Names for the results of many images, no two alike."""

import os
import unicodedata
import urllib.parse
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path, PurePath

from utils.system.files import safe_file_name

RESERVED = ("crops", "heatmaps", "labels")  # folders of other results: no image's own goes into them


def output_names(paths: Sequence[Path]) -> list[str]:
    """A file name without folder and extension for each image.

    It is the image's own stem where no other image has it: `x`. Else the folders that tell them apart
    come before it, `a_x` and `b_x`, and the extension after it, `x_jpg` and `x_png`. Names depend only on
    the set of paths, not on their order. Names differ by more than case, for file systems that ignore it.
    """
    folder = _common_folder(paths)
    choices = [_flat_choices(_below(path, folder)) for path in paths]
    return _distinct(choices, list(map(str, paths)))


def names_below(sources: Sequence[str], places: Sequence[PurePath], taken: Collection[str] = ()) -> list[str]:
    """A path without extension, with `/`, below the folder of the results, for each image.

    sources  where the images come from, places  where they lie below what the user named (`Image`)
    taken    names that earlier images have

    The folders of a place are kept: `a/x`. Images that differ in their extension alone get it: `x_jpg` and
    `x_png`; those of several folders that were named get these folders, from where they part.
    """
    folder = _common_folder([Path(source) for source in sources if "://" not in source])
    choices = []
    for source, place in zip(sources, places, strict=True):
        whole = _on_the_web(source) if "://" in source else _below(Path(source), folder)
        suffixes = ("", place.suffix.replace(".", "_"))
        choices.append([_joined(path, suffix) for path in (place, whole) for suffix in suffixes])
    return _distinct(choices, list(sources), {_key(name) for name in taken})


def _distinct(
    choices: Sequence[Sequence[str]], tie_order: Sequence[str], taken: Iterable[str] = ()
) -> list[str]:
    """One of its choices for each, the first that no other has; else its last with a number."""
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
    """The path from the folder on; the whole without drive where there is no folder."""
    absolute = path.absolute()
    if folder:
        return absolute.relative_to(folder)
    return PurePath(*[part for part in absolute.parts if part != absolute.anchor])


def _on_the_web(address: str) -> PurePath:
    parts = urllib.parse.urlsplit(address)
    path = urllib.parse.unquote(parts.path).strip("/").split("/")
    return PurePath(*[safe_file_name(part) for part in (parts.hostname or "web", *path)])


def _flat_choices(below: PurePath) -> list[str]:
    """Names for one image, from short to certain."""
    long = "_".join([*below.parent.parts, below.stem])
    return [below.stem, long, f"{long}_{below.suffix[1:]}"]


def _joined(place: PurePath, suffix: str) -> str:
    """Folders and stem, with `/`; the first folder is none of the reserved ones."""
    first, *folders = [*place.parent.parts, place.stem + suffix]
    return "/".join([f"{first}_" if folders and first.casefold() in RESERVED else first, *folders])


def _key(name: str) -> str:
    return unicodedata.normalize("NFC", name).casefold()


def _numbered(names: list[str], tie_order: Sequence[str], before: Iterable[str]) -> list[str]:
    """A number after whatever names are still alike."""
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
