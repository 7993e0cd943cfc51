"""Colours and mirroring of finished samples, by the loader or, where there is a GPU, there.

Both ways give the same images. Colours change by one 3x3 matrix, ten times cheaper than through HSV.
"""

from math import cos, pi, sin, sqrt
from typing import NamedTuple

import cv2
import numpy as np
import torch
from torch import Tensor

from utils.augment.settings import Augmentation

# In RGB: the projection on the grey axis, and the turn of what lies off it by a quarter around it.
IDENTITY = np.eye(3, dtype=np.float32)
ON_GREY = np.full((3, 3), 1 / 3)
AROUND_GREY = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(3)


class ColorFlip(NamedTuple):
    """What is still to be done to the images of a batch.

    flip    bool [B], mirror left to right (the boxes are mirrored already)
    colour  float32 [B, 3, 3] that multiplies each RGB pixel
    """

    flip: Tensor
    colour: Tensor


def random_colour(settings: Augmentation, rng: np.random.Generator) -> np.ndarray:
    """A colour matrix within the strengths of `settings`."""
    strengths = (settings.hue, settings.saturation, settings.brightness)
    if not any(strengths):
        return IDENTITY
    hue, saturation, value = (rng.uniform(-1, 1, 3) * strengths).tolist()
    return colour_matrix(hue, 1 + saturation, 1 + value)


def colour_matrix(hue: float, saturation: float, value: float) -> np.ndarray:
    """float32 [3, 3] to multiply RGB by: turns the colours around the grey axis, then strengthens them.

    `hue` is a fraction of the circle (1/3 turns red into green), `saturation` and `value` are factors.
    Grey stays grey, and only `value` changes how bright it is.
    """
    angle = 2 * pi * hue
    turned = cos(angle) * (IDENTITY - ON_GREY) + sin(angle) * AROUND_GREY
    return (value * (ON_GREY + saturation * turned)).astype(np.float32)


def recolor_and_flip_(image: np.ndarray, flip: bool, colour: np.ndarray) -> None:
    """Recolour and mirror one image, uint8 [H, W, 3] in one piece, in place."""
    if colour is not IDENTITY:
        cv2.transform(image, colour, dst=image)
    if flip:
        cv2.flip(image, 1, dst=image)


def recolor_and_flip(images: Tensor, variation: ColorFlip) -> Tensor:
    """The images uint8 [B, 3, H, W] recoloured and mirrored, wherever they are, in the same memory format."""
    shape = images.shape
    pixels = variation.colour @ images.flatten(2).float()
    varied = pixels.round_().clamp_(0, 255).to(torch.uint8).view(shape)
    varied = torch.where(variation.flip.view(-1, 1, 1, 1), varied.flip(-1), varied)
    return varied.contiguous(memory_format=torch.channels_last)
