"""Small pictures as text that a page can hold."""

import base64

import cv2
import numpy as np

QUALITY = 80  # of JPEG


def resized(image: np.ndarray, scale: float) -> np.ndarray:
    """The picture [H, W, 3] enlarged so many times, by averaging where it gets smaller."""
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def data_url(image: np.ndarray) -> str:
    """A picture, uint8 RGB [H, W, 3], as the address of a JPEG file that it holds itself."""
    done, encoded = cv2.imencode(
        ".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, QUALITY]
    )
    assert done, "a small picture can be encoded"
    return f"data:image/jpeg;base64,{base64.b64encode(encoded.tobytes()).decode()}"
