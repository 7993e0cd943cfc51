"""Thumbnails as text that a page can hold, and contact sheets."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

QUALITY = 80  # of JPEG


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """The image [H, W, 3] enlarged so many times, by averaging where it gets smaller."""
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def data_url(image: np.ndarray) -> str:
    """An image, uint8 RGB [H, W, 3], as the address of a JPEG file that it holds itself."""
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert done, "a small image can be encoded"
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = 4, cell: tuple[int, int] = (240, 320), gap: int = 4
) -> np.ndarray:
    """The RGB uint8 images in a grid, each within a cell of (height, width), on white.

    Their shapes are kept. Raises `ValueError` if there is no image.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image")
    height, width = cell
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        fitted = _fit(image, height, width)
        y = gap + number // columns * (height + gap) + (height - fitted.shape[0]) // 2
        x = gap + number % columns * (width + gap) + (width - fitted.shape[1]) // 2
        sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return sheet


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
