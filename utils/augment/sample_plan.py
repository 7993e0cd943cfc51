"""Plan a training sample: one image, a mosaic of four, or a mosaic blended with another image (mixup).

Mosaic: YOLOv4, https://arxiv.org/abs/2004.10934. Mixup: https://arxiv.org/abs/1710.09412, for detection as
in YOLOX, https://arxiv.org/abs/2107.08430. Plans are made before images are read, so images that would
not be visible are never read.
"""

from collections.abc import Sequence
from math import floor
from typing import NamedTuple

import cv2
import numpy as np

from utils.augment.color_and_flip import ColourMatrix, random_colour
from utils.augment.orientation import random_orientation
from utils.augment.placement import PlannedImage
from utils.augment.settings import Augmentation
from utils.data.types import Image, Size

Layer = list[tuple[int, PlannedImage]]  # image numbers and planned locations on one canvas


class Plan(NamedTuple):
    """The plan of a training sample.

    layers  one layer, or two to be blended (mixup)
    flip    whether to flip the finished sample horizontally
    colour  matrix that multiplies each RGB pixel
    """

    layers: list[Layer]
    flip: bool
    colour: ColourMatrix


def plan_sample(
    image_number: int,
    others: Sequence[int],
    size: Size,
    settings: Augmentation,
    rng: np.random.Generator,
    pad_centred: bool = False,
) -> Plan:
    """Plan the training sample of an image.

    others       numbers of the images available for mosaic and mixup
    size         input size
    pad_centred  whether to centre images that are neither zoomed nor shifted, as in a centred letterbox
    """
    flip, colour = bool(rng.random() < settings.flip), random_colour(settings, rng)
    if rng.random() >= settings.mosaic:
        return Plan([[(image_number, plan_single(size, settings, rng, pad_centred))]], flip, colour)
    numbers = [image_number, *rng.choice(others, 3, replace=len(others) < 3).tolist()]
    rng.shuffle(numbers)
    layers: list[Layer] = [list(zip(numbers, plan_mosaic(size, settings, rng), strict=True))]
    if rng.random() < settings.mixup:
        layers.append([(int(rng.choice(others)), plan_single(size, settings, rng, pad_centred))])
    return Plan([_visible(layer) for layer in layers], flip, colour)


def plan_single(
    size: Size, settings: Augmentation, rng: np.random.Generator, pad_centred: bool = False
) -> PlannedImage:
    """Plan a single image with random zoom and shift; if both are off, place it as in the letterbox."""
    zoom = rng.uniform(*settings.scale)
    shift = rng.uniform(-1, 1, 2) * settings.translate
    as_letterbox = settings.scale == (1, 1) and settings.translate == 0
    centre = 0.0 if as_letterbox and not pad_centred else 0.5
    point = (float(centre + shift[0]) * size[1], float(centre + shift[1]) * size[0])
    bounds = (0, 0, size[1], size[0])
    return _varied(PlannedImage(zoom, (centre, centre), point, bounds), settings, rng)


def plan_mosaic(size: Size, settings: Augmentation, rng: np.random.Generator) -> list[PlannedImage]:
    """Plan four images that meet in one point: top left, top right, bottom left, bottom right.

    The point lies in the central half of a canvas twice as large as the input. The sample is the centre of
    the canvas, cropped after zoom and shift.
    """
    height, width = size
    zoom = rng.uniform(*settings.scale)
    shift = rng.uniform(-1, 1, 2) * settings.translate
    meeting_point = rng.uniform(-0.5, 0.5, 2) * zoom + shift + 0.5
    x, y = floor(meeting_point[0] * width), floor(meeting_point[1] * height)
    seam_x, seam_y = min(max(x, 0), width), min(max(y, 0), height)
    return [
        _varied(PlannedImage(zoom, anchor, (x, y), bounds), settings, rng)
        for anchor, bounds in (
            ((1, 1), (0, 0, seam_x, seam_y)),
            ((0, 1), (seam_x, 0, width, seam_y)),
            ((1, 0), (0, seam_y, seam_x, height)),
            ((0, 0), (seam_x, seam_y, width, height)),
        )
    ]


def _varied(planned: PlannedImage, settings: Augmentation, rng: np.random.Generator) -> PlannedImage:
    """Sample how the image is turned, sheared and oriented."""
    transform = random_transform(settings, rng)
    return planned._replace(transform=transform, orientation=random_orientation(settings, rng))


def random_transform(settings: Augmentation, rng: np.random.Generator) -> np.ndarray | None:
    """Sample a random rotation and shear along both axes, float64 [2, 2]; None if both are off."""
    if settings.rotation == 0 and settings.shear == 0:
        return None
    angle, shear_x, shear_y = np.radians(
        rng.uniform(-1, 1, 3) * (settings.rotation, settings.shear, settings.shear)
    )
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return rotation @ np.array([[1, np.tan(shear_x)], [np.tan(shear_y), 1]])


def blend(image: Image, other: Image) -> None:
    """Blend two images in place (mixup): `image` becomes the mean of `image` and `other`."""
    cv2.addWeighted(image, 0.5, other, 0.5, 0, dst=image)


def _visible(layer: Layer) -> Layer:
    """Drop the images whose bounds are empty."""
    return [
        (number, planned)
        for number, planned in layer
        if planned.bounds[0] < planned.bounds[2] and planned.bounds[1] < planned.bounds[3]
    ]
