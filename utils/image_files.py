"""Which files of a folder are pictures, and how large they are, without decoding any."""

import unicodedata
from collections.abc import Collection
from pathlib import Path

from PIL import Image

IMAGE_SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp", ".tif", ".tiff")  # the first is preferred

EXIF_ORIENTATION = 0x0112
SIDEWAYS = (5, 6, 7, 8)  # orientations that exchange height and width


def image_key(stem: str) -> str:
    """The id under which a file is found: macOS stores "ä" as two characters, text files as one."""
    return unicodedata.normalize("NFC", stem)


def files_by_stem(folder: Path, suffixes: Collection[str]) -> dict[str, list[str]]:
    """Names of the files with one of the suffixes (in any case), by their id, ids in sorted order.

    One listing of the folder instead of a question per id. Hidden files are left out. Where several files
    share an id, they stand in the order of `suffixes`.
    """
    order = {suffix: position for position, suffix in enumerate(suffixes)}
    found: dict[str, list[str]] = {}
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in order and not path.name.startswith("."):
            found.setdefault(image_key(path.stem), []).append(path.name)
    for names in found.values():
        names.sort(key=lambda name: order[Path(name).suffix.lower()])
    return dict(sorted(found.items()))


def header_size(path: Path) -> tuple[int, int]:
    """Height and width of the picture once turned upright, from its header; `ValueError` if unreadable."""
    try:
        with Image.open(path) as image:
            width, height = image.size
            sideways = image.getexif().get(EXIF_ORIENTATION) in SIDEWAYS
    except FileNotFoundError:
        raise ValueError("the image does not exist") from None
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise ValueError(f"unreadable image ({error})") from None
    return (width, height) if sideways else (height, width)
