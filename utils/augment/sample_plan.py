"""Planning a sample: one image, a mosaic of four, or a mosaic blended with another image (mixup).

Mosaic: YOLOv4, https://arxiv.org/abs/2004.10934. Mixup: https://arxiv.org/abs/1710.09412, for detection as
in YOLOX, https://arxiv.org/abs/2107.08430. Only plans are made here, so an image that is not seen in the
end is not even read.
"""

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

import cv2
import numpy as np

from utils.augment.color_and_flip import random_colour
from utils.augment.placement import PlannedImage
from utils.augment.settings import Augmentation

Layer = list[tuple[int, PlannedImage]]  # images by number, and where each goes on one input


class Plan(NamedTuple):
    """A sample before any image is read.

    layers  one, or two that are to be blended
    flip    whether it is mirrored left to right when all is in place
    colour  float32 [3, 3] that multiplies each RGB pixel
    """

    layers: list[Layer]
    flip: bool
    colour: np.ndarray


def plan_sample(
    image: int,
    others: Sequence[int],
    size: tuple[int, int],
    settings: Augmentation,
    rng: np.random.Generator,
    pad_centred: bool = False,
) -> Plan:
    """Plan the sample of image number `image`.

    `others` are the images that may join it in a mosaic or mixup; `size` is (height, width) of the input.
    """
    flip, colour = bool(rng.random() < settings.flip), random_colour(settings, rng)
    if rng.random() >= settings.mosaic:
        return Plan([[(image, single_tile(size, settings, rng, pad_centred))]], flip, colour)
    images = [image, *rng.choice(others, 3, replace=len(others) < 3).tolist()]
    rng.shuffle(images)
    layers: list[Layer] = [list(zip(images, mosaic_tiles(size, settings, rng), strict=True))]
    if rng.random() < settings.mixup:
        layers.append([(int(rng.choice(others)), single_tile(size, settings, rng, pad_centred))])
    return Plan([[part for part in layer if not _is_empty(part[1])] for layer in layers], flip, colour)


def single_tile(
    size: tuple[int, int], settings: Augmentation, rng: np.random.Generator, pad_centred: bool = False
) -> PlannedImage:
    """One image, zoomed and shifted around the middle; where the letterbox has it if neither is on."""
    zoom = rng.uniform(*settings.scale)
    shift = rng.uniform(-1, 1, 2) * settings.translate
    as_letterbox = settings.scale == (1, 1) and settings.translate == 0
    middle = 0.0 if as_letterbox and not pad_centred else 0.5
    point = (float(middle + shift[0]) * size[1], float(middle + shift[1]) * size[0])
    return PlannedImage(zoom, (middle, middle), point, (0, 0, size[1], size[0]), random_turn(settings, rng))


def mosaic_tiles(
    size: tuple[int, int], settings: Augmentation, rng: np.random.Generator
) -> list[PlannedImage]:
    """Four images that touch in one point, in the order top left, top right, bottom left, bottom right.

    The point lies in the middle half of a canvas twice as large as the input, whose middle is cut out
    after zooming and shifting.
    """
    height, width = size
    zoom = rng.uniform(*settings.scale)
    shift = rng.uniform(-1, 1, 2) * settings.translate
    off_middle = rng.uniform(-0.5, 0.5, 2) * zoom + shift + 0.5
    x, y = floor(off_middle[0] * width), floor(off_middle[1] * height)
    seam_x, seam_y = min(max(x, 0), width), min(max(y, 0), height)
    return [
        PlannedImage(zoom, anchor, (x, y), bounds, random_turn(settings, rng))
        for anchor, bounds in (
            ((1, 1), (0, 0, seam_x, seam_y)),
            ((0, 1), (seam_x, 0, width, seam_y)),
            ((1, 0), (0, seam_y, seam_x, height)),
            ((0, 0), (seam_x, seam_y, width, height)),
        )
    ]


def random_turn(settings: Augmentation, rng: np.random.Generator) -> np.ndarray | None:
    """A rotation and a shear of either axis, float64 [2, 2]; None if both are off."""
    if settings.rotation == 0 and settings.shear == 0:
        return None
    angle, lean_x, lean_y = np.radians(
        rng.uniform(-1, 1, 3) * (settings.rotation, settings.shear, settings.shear)
    )
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1, np.tan(lean_x)], [np.tan(lean_y), 1]])


def blend(image: np.ndarray, other: np.ndarray) -> None:
    """Mixup half and half: `image` uint8 [H, W, 3] becomes the mean of both."""
    cv2.addWeighted(image, 0.5, other, 0.5, 0, dst=image)


def _is_empty(tile: PlannedImage) -> bool:
    x1, y1, x2, y2 = tile.bounds
    return x1 >= x2 or y1 >= y2
