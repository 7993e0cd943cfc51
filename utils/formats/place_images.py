"""Link or copy the images of an index into a folder, under distinct names."""

import os
import re
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from utils.images.headers import IMAGE_SUFFIXES, files_by_stem, image_key

ImagePlacement = Literal["link", "copy", "none"]
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")  # also bytes that are not UTF-8


def distinct_names(paths: Sequence[Path]) -> list[str]:
    """Return a file name per image, with stems that are distinct even if case and Unicode form are ignored.

    The first image of a name keeps it, the next ones get _2, _3 and so on. ValueError if a file does not have
    an image suffix.
    """
    used: set[str] = set()
    last: dict[str, int] = {}
    names = []
    for path in paths:
        if path.suffix.lower() not in IMAGE_SUFFIXES:
            raise ValueError(f"{path} has none of the suffixes {', '.join(IMAGE_SUFFIXES)}: rename it")
        # Readers skip hidden files, and strip spaces from the ids in lists.
        stem = UNPRINTABLE.sub("_", path.stem).strip().lstrip(".") or "image"
        key = image_key(stem).casefold()
        number = last.get(key, 1)
        while (name := stem if number == 1 else f"{stem}_{number}") and image_key(name).casefold() in used:
            number += 1
        last[key] = number
        used.add(image_key(name).casefold())
        names.append(name + path.suffix)
    return names


def place_images(
    paths: Sequence[Path], folder: Path, names: Sequence[str], placement: ImagePlacement
) -> None:
    """Link or copy each image into `folder` under its new name."""
    folder.mkdir(parents=True)
    for path, name in zip(paths, names, strict=True):
        if placement == "copy":
            shutil.copy2(path, folder / name)
            continue
        try:
            (folder / name).symlink_to(path.absolute())
        except OSError as error:
            raise ValueError(f"no link can be made in {folder} ({error}): use --images copy") from None


def common_folder(paths: Sequence[Path]) -> Path:
    """Return the innermost folder that contains all images, directly or in subfolders."""
    try:
        return Path(os.path.commonpath([path.parent for path in paths]))
    except ValueError:  # several drives on Windows
        raise ValueError("the images lie on several drives: use --images link or copy") from None


def require_one_folder(paths: Sequence[Path]) -> None:
    """Raise ValueError unless all images are in one folder, where each is found by its stem."""
    folder = common_folder(paths)
    by_stem = files_by_stem(folder, IMAGE_SUFFIXES)
    for path in paths:
        if path.parent != folder or by_stem.get(image_key(path.stem), [""])[0] != path.name:
            raise ValueError(
                f"this format finds images in one folder, by their name without suffix, and so not {path}: "
                f"use --images link or copy"
            )
