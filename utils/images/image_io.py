"""Reads and writes images: whatever the file's mode, uint8 RGB arrays come out."""

import io
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageOps

from utils.images.headers import IMAGE_SUFFIXES, refuse_bomb
from utils.system.files import replacing

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
FULL_RANGE_MODES = ("I", "F")  # 32 bits a pixel: nothing says which value is white
# OpenCV has names for reduced images in BGR and grey alone; without its bit for BGR they are RGB too.
REDUCED = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
JPEG_SIDE = 65500  # the most pixels of a side that libjpeg writes


class ImageError(ValueError):
    """An image that cannot be read; the message names the file and the reason."""


def read_image(path: str | PathLike[str]) -> np.ndarray:
    """Read an image as uint8 RGB [H, W, 3], C-contiguous, turned upright as its EXIF orientation says.

    Grey images get three equal channels, 16 bits are cut to the upper 8, palettes and CMYK become RGB,
    and an alpha channel is dropped. Raises `ImageError` if the file is missing, truncated or no image.
    """
    return decode_image(read_bytes(path), str(path))


def read_bytes(path: str | PathLike[str], most: int = -1) -> np.ndarray:
    """The bytes of a file, uint8 [N], or the first `most`; `ImageError` if it cannot be read."""
    try:
        return np.fromfile(path, np.uint8, most)  # not cv2.imread, which fails on Unicode paths on Windows
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None


def decode_image(data: np.ndarray, name: str, reduction: int = 1) -> np.ndarray:
    """Decode the bytes (uint8 [N]) of an image file as `read_image` does; `name` is for the message.

    reduction  1, 2, 4 or 8: so many pixels along each side become one, sides rounded up. JPEG is decoded so
        in less than half the time from 4 on, as the bytes hold the mean of every 8 x 8 pixels.
    """
    if len(data) == 0:
        raise ImageError(f"{name}: the file is empty")
    try:
        refuse_bomb(data)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from None
    # OpenCV multiplies a TIFF's colours by its alpha, and gets its LAB wrong.
    image = None if data[:4].tobytes() in TIFF_SIGNATURES else _decode_opencv(data, reduction)
    return _decode_pillow(data, name, reduction) if image is None else image


def _decode_opencv(data: np.ndarray, reduction: int) -> np.ndarray | None:
    """OpenCV, for it is exact, and no decoder that is exact is much faster.

    An image of BCCD (640 x 480): OpenCV .84 ms, simplejpeg .76, torchvision .84, Pillow 1.45, all the same
    pixels; simplejpeg's fast way .62, on average 1.3 of 256 steps off. Photographs of COCO: 2.5 ms and 2.3.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the caller's message is enough
    try:
        return cv2.imdecode(data, REDUCED[reduction] | cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decode_pillow(data: np.ndarray, name: str, reduction: int) -> np.ndarray:
    """The slower way, for what OpenCV cannot read or reads wrongly; and it says why a file is bad."""
    try:
        with Image.open(io.BytesIO(data.tobytes())) as file:
            if file.format == "EPS":
                raise ImageError(f"{name}: PostScript, which Pillow would run; save it as PNG or JPEG")
            image = ImageOps.exif_transpose(file)
            if image.mode in FULL_RANGE_MODES:
                raise ImageError(f"{name}: 32 bits a pixel; save it with 8 or 16 bits a channel")
            if image.mode.startswith("I;16"):
                upper = (np.asarray(image) >> 8).astype(np.uint8)
                return np.repeat(upper[:, :, None], 3, axis=2)
            return np.array(image.convert("RGB").reduce(reduction))
    except ImageError:
        raise
    except Image.UnidentifiedImageError:
        raise ImageError(f"{name}: not an image that can be read ({_suffix(name)} file)") from None
    except Exception as error:  # Pillow's decoders raise many kinds on damaged data, SyntaxError among them
        raise ImageError(f"{name}: damaged image ({error})") from None


def _suffix(name: str) -> str:
    return Path(name).suffix or "nameless"


def suffix_for(image: np.ndarray) -> str:
    """The extension to save an image with: JPEG, unless it is too large for that."""
    return ".jpg" if max(image.shape[:2]) <= JPEG_SIDE else ".png"


def save_image(path: Path, image: np.ndarray) -> None:
    """Save the RGB uint8 image [H, W, 3] in the format of the path's extension; folders are made as needed.

    Raises `ValueError` for an extension that is not known or an image that the format cannot hold.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(IMAGE_SUFFIXES)
        raise ValueError(f"cannot save {path}: give it one of the extensions {known}")
    # OpenCV opens no path with non-Latin letters on Windows: encode in memory, write the bytes ourselves.
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    try:
        done, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ValueError(f"cannot save {path}: {error.err}") from None
    if not done:
        raise ValueError(f"cannot save {path}: an image of {image.shape[1]} x {image.shape[0]} is too large")
    with replacing(path, lasting=False) as beside:
        beside.write_bytes(encoded.tobytes())
