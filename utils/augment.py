"""Augmentation: what may be varied, and pasting one picture, varied, into its place on the network input.

Nothing rotates, so no picture is warped: a whole-number crop of the picture is resized straight into a
whole-number rectangle of the batch. The boxes go through the very map between these two rectangles, so
they are exact by construction. Colours change by one 3x3 matrix, ten times cheaper than going through HSV.
"""

from dataclasses import dataclass
from math import cos, floor, pi, sin, sqrt
from typing import NamedTuple

import cv2
import numpy as np

# In RGB: the projection on the grey axis, and the turn of what lies off it by a quarter around it.
IDENTITY = np.eye(3)
ON_GREY = np.full((3, 3), 1 / 3)
AROUND_GREY = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(3)

Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels


@dataclass(frozen=True)
class Augmentation:
    """What is varied in training, each with its own switch. `NO_AUGMENTATION` has all of them off.

    mosaic      probability that four pictures make one sample
    mixup       probability that a mosaic is blended half and half with another picture
    scale       smallest and largest zoom, on top of fitting the picture to the input
    translate   largest shift, as a fraction of the input's size
    flip        probability that a picture is mirrored left to right
    hue         largest shift of the hue, as a fraction of the colour circle
    saturation  largest relative change of the saturation
    value       largest relative change of the brightness
    min_visibility  boxes of which less than this fraction of their area is left are dropped
    min_size    boxes narrower or lower than this many pixels of the input are dropped
    """

    mosaic: float = 1.0
    mixup: float = 0.0
    scale: tuple[float, float] = (0.5, 1.5)
    translate: float = 0.1
    flip: float = 0.5
    hue: float = 0.015
    saturation: float = 0.7
    value: float = 0.4
    min_visibility: float = 0.2
    min_size: float = 2.0

    def __post_init__(self) -> None:
        fractions = ("mosaic", "mixup", "flip", "translate", "hue", "saturation", "value", "min_visibility")
        for name in fractions:
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} is {getattr(self, name)}; choose a value from 0 to 1")
        if not 0 < self.scale[0] <= self.scale[1]:
            raise ValueError(f"scale is {self.scale}; give the smaller zoom first, both above 0")


NO_AUGMENTATION = Augmentation(
    mosaic=0, scale=(1, 1), translate=0, flip=0, hue=0, saturation=0, value=0, min_visibility=0, min_size=0
)


class Tile(NamedTuple):
    """Where a picture is to go on the input and how it is varied, planned before its size is known.

    zoom    on top of fitting the picture to the input
    anchor  a point of the picture as fractions of its width and height: (0, 0) is its top left corner
    point   where the anchor goes: x, y in pixels of the input, perhaps outside
    bounds  the part of the input that the picture may cover; a quadrant of a mosaic
    flip    mirror left to right
    colour  float32 [3, 3] that multiplies each RGB pixel; None to leave the colours
    """

    zoom: float
    anchor: tuple[float, float]
    point: tuple[float, float]
    bounds: Rectangle
    flip: bool = False
    colour: np.ndarray | None = None


class Placement(NamedTuple):
    """The map of one picture: its part `crop` fills the part `area` of the input, mirrored if `flip`."""

    crop: Rectangle
    area: Rectangle
    flip: bool

    def forward(self, boxes: np.ndarray) -> np.ndarray:
        """Boxes [N, 4], xyxy in the picture's pixels -> float64 xyxy on the input, not clipped."""
        scale_x = (self.area[2] - self.area[0]) / (self.crop[2] - self.crop[0])
        scale_y = (self.area[3] - self.area[1]) / (self.crop[3] - self.crop[1])
        x = (np.asarray(boxes[:, 0::2], np.float64) - self.crop[0]) * scale_x
        y = (np.asarray(boxes[:, 1::2], np.float64) - self.crop[1]) * scale_y + self.area[1]
        x = self.area[2] - x[:, ::-1] if self.flip else self.area[0] + x
        return np.stack([x[:, 0], y[:, 0], x[:, 1], y[:, 1]], axis=1)


def place(tile: Tile, source: tuple[int, int], size: tuple[int, int]) -> Placement | None:
    """Resolve a tile for a picture of size `source` on an input of `size`, both (height, width).

    None if nothing of the picture would be seen.
    """
    fit = min(size[0] / source[0], size[1] / source[1]) * tile.zoom
    height, width = (max(1, round(side * fit)) for side in source)
    left = floor(tile.point[0] - tile.anchor[0] * width)
    top = floor(tile.point[1] - tile.anchor[1] * height)
    x1, x2 = max(left, tile.bounds[0]), min(left + width, tile.bounds[2])
    y1, y2 = max(top, tile.bounds[1]), min(top + height, tile.bounds[3])
    if x1 >= x2 or y1 >= y2:
        return None
    crop_x1, crop_x2 = _outwards(x1 - left, x2 - left, source[1], width)
    crop_y1, crop_y2 = _outwards(y1 - top, y2 - top, source[0], height)
    if tile.flip:
        crop_x1, crop_x2 = source[1] - crop_x2, source[1] - crop_x1
    return Placement((crop_x1, crop_y1, crop_x2, crop_y2), (x1, y1, x2, y2), tile.flip)


def _outwards(start: int, end: int, source: int, resized: int) -> tuple[int, int]:
    """A stretch of the resized side in pixels of the source, rounded outwards; whole numbers, so exact."""
    return start * source // resized, -(-end * source // resized)


def paste(
    image: np.ndarray, placement: Placement, canvas: np.ndarray, colour: np.ndarray | None = None
) -> None:
    """Write the picture [h, w, 3] into its place on `canvas` uint8 [H, W, 3], which is changed."""
    (left, top, right, bottom), (x1, y1, x2, y2) = placement.crop, placement.area
    area = canvas[y1:y2, x1:x2]
    # Not straight into the view: OpenCV recolours rows that lie end to end more than twice as fast.
    scaled = cv2.resize(image[top:bottom, left:right], (x2 - x1, y2 - y1), interpolation=cv2.INTER_LINEAR)
    if colour is not None:
        cv2.transform(scaled, colour, dst=scaled)
    if placement.flip:
        cv2.flip(scaled, 1, dst=area)
    else:
        area[:] = scaled


def visible_boxes(
    boxes: np.ndarray, area: Rectangle, settings: Augmentation
) -> tuple[np.ndarray, np.ndarray]:
    """Clip boxes [N, 4] to `area`, and say which of them (bool [N]) enough is left of."""
    lowest, highest = np.array(area[:2] * 2, np.float64), np.array(area[2:] * 2, np.float64)
    clipped = np.minimum(np.maximum(boxes, lowest), highest)
    width, height = (clipped[:, 2:] - clipped[:, :2]).T
    whole_width, whole_height = (boxes[:, 2:] - boxes[:, :2]).T
    shorter = np.minimum(width, height)
    seen = (shorter > 0) & (shorter >= settings.min_size)
    return clipped, seen & (width * height >= settings.min_visibility * whole_width * whole_height)


def random_flip(settings: Augmentation, rng: np.random.Generator) -> bool:
    """Whether to mirror a picture."""
    return bool(rng.random() < settings.flip)


def random_colour(settings: Augmentation, rng: np.random.Generator) -> np.ndarray | None:
    """A colour matrix within the strengths of `settings`; None if all three are off."""
    strengths = (settings.hue, settings.saturation, settings.value)
    if not any(strengths):
        return None
    hue, saturation, value = (rng.uniform(-1, 1, 3) * strengths).tolist()
    return colour_matrix(hue, 1 + saturation, 1 + value)


def colour_matrix(hue: float, saturation: float, value: float) -> np.ndarray:
    """float32 [3, 3] to multiply RGB by: turns the colours around the grey axis, then strengthens them.

    `hue` is a fraction of the circle (1/3 turns red into green), `saturation` and `value` are factors.
    Grey stays grey, and only `value` changes how bright it is.
    """
    angle = 2 * pi * hue
    grey = np.full((3, 3), 1 / 3)  # projects on the grey axis
    across = np.array([[0, -1, 1], [1, 0, -1], [-1, 1, 0]]) / sqrt(
        3
    )  # turns what is off the axis by 90 degrees
    turned = cos(angle) * (np.eye(3) - grey) + sin(angle) * across
    return (value * (grey + saturation * turned)).astype(np.float32)
