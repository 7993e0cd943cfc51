"""The size of JPEG pictures from their headers, beside Pillow's reading."""

import io

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.jpeg_header import jpeg_size


def encoded(width, height, **options) -> np.ndarray:
    buffer = io.BytesIO()
    Image.new("RGB", (width, height), (9, 80, 200)).save(buffer, "jpeg", **options)
    return np.frombuffer(buffer.getvalue(), np.uint8)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": "x" * 60_000}, {"exif": b"Exif\0\0" * 99}]
)
def test_size(options):
    assert jpeg_size(encoded(321, 123, **options)) == (123, 321)


def test_of_opencv_and_grey():
    data = cv2.imencode(".jpg", np.zeros((40, 70), np.uint8))[1]
    assert jpeg_size(data) == (40, 70)


def test_no_jpeg_and_what_is_left_of_one():
    data = encoded(32, 16)
    assert jpeg_size(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1]) is None
    assert jpeg_size(np.zeros(0, np.uint8)) is None
    start = data.tobytes().index(b"\xff\xc0")
    for cut in range(2, start + 9):
        assert jpeg_size(data[:cut]) is None
    assert jpeg_size(data[: start + 9]) == (16, 32)
    for position in range(len(data)):
        damaged = data.copy()
        damaged[position] ^= 0xFF
        jpeg_size(damaged)  # whatever it says, it ends
