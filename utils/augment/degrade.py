"""Random blur, noise and JPEG artefacts of finished samples, as of poor cameras and strong compression."""

from collections.abc import Sequence

import cv2
import numpy as np

from utils.augment.settings import Augmentation
from utils.data.types import Image

BLUR = (0.5, 2.0)  # standard deviation of the Gaussian, in pixels
NOISE = (3.0, 20.0)  # standard deviation, of values from 0 to 255
QUALITY = (20, 70)  # of JPEG, from 0 to 100


def degrade(images: np.ndarray, settings: Augmentation, generators: Sequence[np.random.Generator]) -> None:
    """Blur images [B, H, W, 3], add noise, and compress them, in place, each by its probability."""
    for image, rng in zip(images, generators, strict=True):
        blur, noise, compress = rng.random(3) < (settings.blur, settings.noise, settings.jpeg)
        if blur:
            cv2.GaussianBlur(image, (0, 0), rng.uniform(*BLUR), dst=image)
        if noise:
            noisy = image + rng.normal(0.0, rng.uniform(*NOISE), image.shape).astype(np.float32)
            np.copyto(image, noisy.round().clip(0, 255).astype(np.uint8))
        if compress:
            np.copyto(image, compressed(image, int(rng.integers(*QUALITY))))


def compressed(image: Image, quality: int) -> Image:
    """Return an RGB image as it is after JPEG compression."""
    _, data = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, quality])
    decoded = cv2.imdecode(data, cv2.IMREAD_COLOR)
    assert decoded is not None
    return decoded[..., ::-1]
