"""What the files of a data set are, found by reading and decoding each of them once."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image
from tqdm import tqdm

from utils.images.headers import EXIF_ORIENTATION
from utils.images.image_io import ImageError, decode_image

THUMBNAIL = 32  # pixels of a side: enough to tell a moved chess piece, and 100,000 images take 100 MB
UPRIGHT = 1  # the EXIF orientation of an image that is stored as it is seen
MISSING = "no such file"


class ImageFacts(NamedTuple):
    """One image file.

    error        why it cannot be read, "" where it can; what follows is then not known
    size         (height, width) once turned upright
    orientation  of EXIF, 1 to 8
    mode         Pillow's name of how colours are stored: RGB, L, CMYK, I;16, ...
    format       Pillow's name of the format, whatever the file's name says: JPEG, PNG, ...
    digest       of the file's bytes: files with the same digest are copies
    thumbnail    uint8 [32, 32], grey, its shape not kept
    """

    error: str
    size: tuple[int, int] = (0, 0)
    orientation: int = UPRIGHT
    mode: str = ""
    format: str = ""
    digest: bytes = b""
    thumbnail: np.ndarray = np.zeros((THUMBNAIL, THUMBNAIL), np.uint8)


def examine_images(paths: Sequence[Path], workers: int) -> list[ImageFacts]:
    """The facts of each file, in order, by `workers` threads: decoding and hashing run side by side."""
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = pool.map(examine_image, unique)
        bar = tqdm(found, desc="reading", total=len(unique), leave=False, dynamic_ncols=True, disable=None)
        facts = dict(zip(unique, bar, strict=True))
    return [facts[path] for path in paths]


def examine_image(path: Path) -> ImageFacts:
    """Read and decode one file; whatever is wrong with it is told in `error`, nothing is raised."""
    try:
        data = np.fromfile(path, np.uint8)
        image = decode_image(data, str(path))
    except FileNotFoundError:
        return ImageFacts(MISSING)
    except (ImageError, OSError) as error:
        return ImageFacts(str(error).removeprefix(f"{path}: "))
    small = cv2.resize(image, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    return ImageFacts(
        "",
        (image.shape[0], image.shape[1]),
        *_header(data),
        hashlib.blake2b(data.data, digest_size=16).digest(),
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY),
    )


def _header(data: np.ndarray) -> tuple[int, str, str]:
    """Orientation, mode and format as Pillow sees them; OpenCV reads a few files that Pillow does not."""
    try:
        with Image.open(io.BytesIO(data.tobytes())) as file:
            orientation = file.getexif().get(EXIF_ORIENTATION, UPRIGHT)
            return orientation if orientation in range(1, 9) else UPRIGHT, file.mode, file.format or ""
    except Exception:  # Pillow raises many kinds on odd headers
        return UPRIGHT, "", ""
