"""Size, format, hash and thumbnail of the image files of a data set, each read and decoded once."""

import hashlib
import io
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL.Image
from tqdm import tqdm

from utils.data.types import Size
from utils.images.headers import EXIF_ORIENTATION
from utils.images.image_io import ImageError, decode_image
from utils.images.jpeg_end import lacks_end

COMPARED_SIDE = 32  # pixels of a thumbnail: enough to see a moved chess piece; 100,000 images take 100 MB
UPRIGHT_ORIENTATION = 1  # EXIF orientation of an image that needs no rotation
NO_SUCH_FILE = "no such file"


class ImageFacts(NamedTuple):
    """The properties of one image file.

    error        why it cannot be read, in which case nothing else is known; "" if it can
    size         (height, width) after EXIF rotation
    orientation  EXIF orientation, 1 to 8
    mode         Pillow's name of the pixel format: RGB, L, CMYK, I;16, ...
    format       Pillow's name of the file format, whatever the suffix: JPEG, PNG, ...
    digest       hash of the file's bytes: files with equal digests are copies
    thumbnail    uint8 [32, 32], grey, aspect ratio not kept
    lacks_end    whether it is a JPEG without its end marker
    """

    error: str
    size: Size = (0, 0)
    orientation: int = UPRIGHT_ORIENTATION
    mode: str = ""
    format: str = ""
    digest: bytes = b""
    thumbnail: np.ndarray = np.zeros((COMPARED_SIDE, COMPARED_SIDE), np.uint8)
    lacks_end: bool = False


def examine_images(paths: Sequence[Path], workers: int) -> list[ImageFacts]:
    """Return the properties of each file, in order; uses `workers` threads and reads repeated files once."""
    unique = list(dict.fromkeys(paths))
    with ThreadPoolExecutor(max(1, workers)) as pool:
        found = pool.map(examine_image, unique)
        bar = tqdm(found, desc="reading", total=len(unique), leave=False, dynamic_ncols=True, disable=None)
        facts = dict(zip(unique, bar, strict=True))
    return [facts[path] for path in paths]


def examine_image(path: Path) -> ImageFacts:
    """Read and decode one file; errors are returned in `error`, not raised."""
    try:
        data = np.fromfile(path, np.uint8)
        image = decode_image(data, str(path))
    except FileNotFoundError:
        return ImageFacts(NO_SUCH_FILE)
    except (ImageError, OSError) as error:
        return ImageFacts(str(error).removeprefix(f"{path}: "))
    small = cv2.resize(image, (COMPARED_SIDE, COMPARED_SIDE), interpolation=cv2.INTER_AREA)
    return ImageFacts(
        "",
        (image.shape[0], image.shape[1]),
        *_header(data),
        hashlib.blake2b(data.data, digest_size=16).digest(),
        cv2.cvtColor(small, cv2.COLOR_RGB2GRAY),
        lacks_end(data),
    )


def _header(data: np.ndarray) -> tuple[int, str, str]:
    """Return orientation, mode and format from Pillow, or defaults if only OpenCV can read the file."""
    try:
        with PIL.Image.open(io.BytesIO(data.tobytes())) as file:
            orientation = file.getexif().get(EXIF_ORIENTATION, UPRIGHT_ORIENTATION)
            return (
                orientation if orientation in range(1, 9) else UPRIGHT_ORIENTATION,
                file.mode,
                file.format or "",
            )
    except Exception:  # Pillow raises many types of errors for malformed headers
        return UPRIGHT_ORIENTATION, "", ""
