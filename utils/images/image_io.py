"""Read and write image files; images are uint8 RGB arrays, whatever the colour mode of the file."""

import io
from os import PathLike
from pathlib import Path

import cv2
import numpy as np
import PIL.Image
import PIL.ImageOps

from utils.images.file_kind import describe_bytes
from utils.images.headers import IMAGE_SUFFIXES, JPEG_SUFFIXES, jpeg_size, refuse_bomb
from utils.images.jpeg_end import with_end
from utils.images.types import FileBytes, Image, Size
from utils.system.files import replacing

TIFF_SIGNATURES = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
MODES_WITHOUT_WHITE = ("I", "F")  # 32 bits per pixel: the file does not say which value is white
# OpenCV has reduced-size flags for BGR and grey only; combined with the RGB flag they give RGB.
REDUCED_FLAGS = {
    1: 0,
    2: cv2.IMREAD_REDUCED_GRAYSCALE_2,
    4: cv2.IMREAD_REDUCED_GRAYSCALE_4,
    8: cv2.IMREAD_REDUCED_GRAYSCALE_8,
}
JPEG_REDUCTIONS = (8, 4, 2)  # factors by which decoding can shrink a JPEG
MAX_JPEG_SIDE = 65500  # pixels, the limit of libjpeg


class ImageError(ValueError):
    """An image cannot be read; the message names the file and the reason."""


def read_image(path: str | PathLike[str]) -> Image:
    """Read an image as uint8 RGB [H, W, 3], C-contiguous, with its EXIF orientation applied.

    Grey images get three equal channels, 16 bits become 8, palettes and CMYK become RGB, and an alpha
    channel is dropped. A JPEG that lacks only its end marker is read. Raises `ImageError` if the file is
    missing, truncated or not an image.
    """
    return decode_image(read_bytes(path), str(path))


def read_reduced(path: str | PathLike[str], size: Size, zoom: float) -> tuple[int, Image]:
    """Read an image as `read_image` does, but a large JPEG reduced (see `reduction_for`).

    Return the reduction and the image.
    """
    data = read_bytes(path)
    stored = jpeg_size(data)
    reduction = 1 if stored is None else reduction_for(stored, size, zoom)
    return reduction, decode_image(data, str(path), reduction)


def reduction_for(source: Size, size: Size, zoom: float) -> int:
    """Return the largest factor by which decoding may shrink a JPEG that is not to be enlarged afterwards.

    source  size of the image as stored
    size    input size
    zoom    scale factor after fitting the image to the input
    """
    # Try both orientations: decoding may rotate the stored image by its EXIF orientation.
    fit = max(min(size[0] / height, size[1] / width) for height, width in (source, source[::-1]))
    return next((reduction for reduction in JPEG_REDUCTIONS if reduction * fit * zoom <= 1), 1)


def read_bytes(path: str | PathLike[str], max_bytes: int = -1) -> FileBytes:
    """Read a file, or its first `max_bytes` bytes; `ImageError` if it cannot be read."""
    try:
        return np.fromfile(path, np.uint8, max_bytes)  # on Windows, cv2.imread fails on Unicode paths
    except FileNotFoundError:
        raise ImageError(f"{path}: no such file") from None
    except OSError as error:
        raise ImageError(f"{path}: cannot be read ({error.strerror or error})") from None


def decode_image(data: FileBytes, name: str, reduction: int = 1) -> Image:
    """Decode the contents of an image file as `read_image` does; `name` is for error messages.

    reduction  divisor of height and width (1, 2, 4 or 8; rounded up). From 4 on, decoding a JPEG takes less
        than half the time, since the file contains the mean of every 8 x 8 pixels.
    """
    if len(data) == 0:
        raise ImageError(f"{name}: the file is empty")
    try:
        refuse_bomb(data)
    except ValueError as error:
        raise ImageError(f"{name}: {error}") from None
    # OpenCV multiplies a TIFF's colours by alpha, and converts LAB wrongly.
    image = None if data[:4].tobytes() in TIFF_SIGNATURES else _decode_opencv(data, reduction)
    if image is None and (whole := with_end(data)) is not None:
        image = _decode_opencv(whole, reduction)
    return _decode_pillow(data, name, reduction) if image is None else image


def _decode_opencv(data: FileBytes, reduction: int) -> Image | None:
    """Decode with OpenCV; None if it fails. No decoder with exact pixels is much faster.

    An image of BCCD (640 x 480): OpenCV .84 ms, simplejpeg .76, torchvision .84, Pillow 1.45, all with the
    same pixels; simplejpeg's fast mode .62, with a mean error of 1.3 of 256 levels. Photographs of COCO:
    OpenCV 2.5 ms, simplejpeg 2.3.
    """
    level = cv2.utils.logging.getLogLevel()
    cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_SILENT)  # the caller's message is enough
    try:
        return cv2.imdecode(data, REDUCED_FLAGS[reduction] | cv2.IMREAD_COLOR_RGB)
    except cv2.error:
        return None
    finally:
        cv2.utils.logging.setLogLevel(level)


def _decode_pillow(data: FileBytes, name: str, reduction: int) -> Image:
    """Decode with Pillow files that OpenCV cannot read or reads wrongly; errors say what is wrong."""
    try:
        with PIL.Image.open(io.BytesIO(data.tobytes())) as file:
            if file.format == "EPS":
                raise ImageError(f"{name}: PostScript, which Pillow would run; save it as PNG or JPEG")
            image = PIL.ImageOps.exif_transpose(file)
            if image.mode in MODES_WITHOUT_WHITE:
                raise ImageError(f"{name}: 32 bits per pixel; save it with 8 or 16 bits per channel")
            if image.mode.startswith("I;16"):
                upper = (np.asarray(image) >> 8).astype(np.uint8)
                return np.repeat(upper[:, :, None], 3, axis=2)
            return np.array(image.convert("RGB").reduce(reduction))
    except ImageError:
        raise
    except PIL.UnidentifiedImageError:
        kind = describe_bytes(data) or f"not an image that can be read ({_suffix(name)} file)"
        raise ImageError(f"{name}: {kind}") from None
    except Exception as error:  # Pillow's decoders raise many types, even SyntaxError
        raise ImageError(f"{name}: damaged image ({error})") from None


def _suffix(name: str) -> str:
    return Path(name).suffix or "nameless"


def suffix_for(image: Image) -> str:
    """Return the extension for saving an image: .jpg, or .png if it is too large for JPEG."""
    return ".jpg" if max(image.shape[:2]) <= MAX_JPEG_SIDE else ".png"


def save_image(path: Path, image: Image) -> None:
    """Save an image in the format of the path's extension; missing folders are created.

    Raises `ValueError` for an unknown extension or an image that is too large for the format.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(IMAGE_SUFFIXES)
        raise ValueError(f"cannot save {path}: give it one of the extensions {known}")
    # OpenCV cannot open non-Latin paths on Windows, so encode in memory and write the bytes here.
    if suffix in JPEG_SUFFIXES:
        suffix, options = ".jpg", [cv2.IMWRITE_JPEG_QUALITY, 95]  # OpenCV does not know .jfif
    else:
        options = []
    try:
        done, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ValueError(f"cannot save {path}: {error.err}") from None
    if not done:
        raise ValueError(f"cannot save {path}: an image of {image.shape[1]} x {image.shape[0]} is too large")
    with replacing(path, durable=False) as beside:
        beside.write_bytes(encoded.tobytes())
