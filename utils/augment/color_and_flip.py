"""Random colour changes and horizontal flips of finished samples, in the data loader or on the GPU.

The resulting images are the same. Colours are changed by a 3x3 matrix, ten times cheaper than HSV conversion.
"""

from collections.abc import Sequence
from math import cos, pi, sin, sqrt
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from utils.augment.settings import Augmentation

ColourMatrix = np.ndarray  # float32 [3, 3], multiplies each RGB pixel

# In RGB: projection onto the grey axis, and rotation by 90 degrees around it (zero along the axis).
IDENTITY: ColourMatrix = np.eye(3, dtype=np.float32)
ON_GREY = np.full((3, 3), 1 / 3)
AROUND_GREY = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(3)


class ColorFlip(NamedTuple):
    """Colour changes and flips of a batch, to be applied on the device.

    flip    bool [B], whether to flip each image; the boxes are already flipped
    colour  float32 [B, 3, 3], multiplies each RGB pixel
    """

    flip: Tensor
    colour: Tensor


def random_colour(settings: Augmentation, rng: np.random.Generator) -> ColourMatrix:
    """Sample a random colour matrix within the ranges of `settings`."""
    ranges = (settings.hue, settings.saturation, settings.brightness)
    if not any(ranges) and not settings.grey:
        return IDENTITY
    hue, saturation, value = (rng.uniform(-1, 1, 3) * ranges).tolist()
    grey = settings.grey > 0 and rng.random() < settings.grey
    return colour_matrix(hue, 0.0 if grey else 1 + saturation, 1 + value)


def colour_matrix(hue: float, saturation: float, value: float) -> ColourMatrix:
    """Return the matrix that rotates the hue around the grey axis, and scales saturation and brightness.

    `hue` is a fraction of the colour circle (1/3 turns red into green), `saturation` and `value` are factors.
    Grey stays grey, and only `value` changes the brightness of grey.
    """
    angle = 2 * pi * hue
    rotated = cos(angle) * (IDENTITY - ON_GREY) + sin(angle) * AROUND_GREY
    return (value * (ON_GREY + saturation * rotated)).astype(np.float32)


def recolor_and_flip_(images: np.ndarray, flips: Sequence[bool], colours: Sequence[ColourMatrix]) -> None:
    """Recolour and flip images [B, H, W, 3], contiguous, in place."""
    for image, flip, colour in zip(images, flips, colours, strict=True):
        if colour is not IDENTITY:
            cv2.transform(image, colour, dst=image)
        if flip:
            cv2.flip(image, 1, dst=image)


def recolor_and_flip(images: Tensor, color_flip: ColorFlip) -> Tensor:
    """Return recoloured and flipped images, uint8 [B, 3, H, W], channels last, on the same device."""
    shape = images.shape
    pixels = color_flip.colour @ images.flatten(2).float()
    recoloured = pixels.round_().clamp_(0, 255).to(torch.uint8).view(shape)
    result = torch.where(color_flip.flip.view(-1, 1, 1, 1), recoloured.flip(-1), recoloured)
    return result.contiguous(memory_format=torch.channels_last)
