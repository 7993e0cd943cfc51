"""Thumbnails, as data URLs for HTML pages, and contact sheets."""

import base64
from collections.abc import Sequence

import cv2
import numpy as np

from utils.data.types import Image, Size

JPEG_QUALITY = 80


def resized(image: Image, scale: float) -> Image:
    """Return the image scaled by a factor, with area averaging to shrink and bilinear to enlarge."""
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def data_url(image: Image) -> str:
    """Return the image as a data URL with JPEG content."""
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY]
    )
    assert done, "a small image can be encoded"
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"


def contact_sheet(images: Sequence[Image], columns: int = 4, cell: Size = (240, 320), gap: int = 4) -> Image:
    """Return the images in a grid on white, each scaled to fit a cell with its aspect ratio kept.

    Raises `ValueError` without images.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one image")
    height, width = cell
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        fitted = resized(image, min(height / image.shape[0], width / image.shape[1]))
        y = gap + number // columns * (height + gap) + (height - fitted.shape[0]) // 2
        x = gap + number % columns * (width + gap) + (width - fitted.shape[1]) // 2
        sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return sheet
