"""Images pasted into their places on the network input, and the map that takes their boxes there.

Where nothing turns, no image is warped: a whole-number crop of the image is resized straight into a
whole-number rectangle of the batch, and the boxes go through the very map between these two rectangles, so
they are exact by construction. An image that is turned or sheared is warped into its rectangle, once.
"""

from math import ceil, floor
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.types import Size
from utils.images.letterbox import resize_into

Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels


class PlannedImage(NamedTuple):
    """Where an image is to go on the input, planned before its size is known.

    zoom    on top of fitting the image to the input
    anchor  a point of the image as fractions of its width and height: (0, 0) is its top left corner
    point   where the anchor goes: x, y in pixels of the input, perhaps outside
    bounds  the part of the input that the image may cover; a quadrant of a mosaic
    turn    float64 [2, 2], rotation and shear around the image's middle; None for neither
    """

    zoom: float
    anchor: tuple[float, float]
    point: tuple[float, float]
    bounds: Rectangle
    turn: np.ndarray | None = None


class Placement(NamedTuple):
    """Where one image goes.

    area    the part of the input that it covers
    matrix  float64 [2, 3]: x, y, 1 in pixels of the image -> x, y on the input
    crop    the part of the image that fills the area; None where the matrix turns
    """

    area: Rectangle
    matrix: np.ndarray
    crop: Rectangle | None


def resolve(tile: PlannedImage, source: Size, size: Size) -> Placement | None:
    """Resolve a tile for an image of size `source` on an input of size `size`.

    None if nothing of the image would be seen.
    """
    resized = resized_size(tile, source, size)
    left = floor(tile.point[0] - tile.anchor[0] * resized[1])
    top = floor(tile.point[1] - tile.anchor[1] * resized[0])
    if tile.turn is not None:
        return _place_turned(tile, source, (left, top), resized)
    area = _overlap((left, top, left + resized[1], top + resized[0]), tile.bounds)
    if area is None:
        return None
    x1, x2 = _outwards(area[0] - left, area[2] - left, source[1], resized[1])
    y1, y2 = _outwards(area[1] - top, area[3] - top, source[0], resized[0])
    scale_x, scale_y = (area[2] - area[0]) / (x2 - x1), (area[3] - area[1]) / (y2 - y1)
    matrix = np.array([[scale_x, 0, area[0] - x1 * scale_x], [0, scale_y, area[1] - y1 * scale_y]])
    return Placement(area, matrix, (x1, y1, x2, y2))


def resized_size(tile: PlannedImage, source: Size, size: Size) -> Size:
    """How large an image of size `source` becomes on an input of size `size`, before it is cut or turned."""
    fit = min(size[0] / source[0], size[1] / source[1]) * tile.zoom
    return max(1, round(source[0] * fit)), max(1, round(source[1] * fit))


def paste(image: np.ndarray, placement: Placement, canvas: np.ndarray, pad_value: int) -> None:
    """Write the image [h, w, 3] into its area of `canvas` uint8 [H, W, 3], which is changed."""
    x1, y1, x2, y2 = placement.area
    area = canvas[y1:y2, x1:x2]
    if placement.crop is None:
        area[:] = _warp(image, placement, (x2 - x1, y2 - y1), pad_value)
    else:
        left, top, right, bottom = placement.crop
        resize_into(image[top:bottom, left:right], area)


def fill_around(canvas: np.ndarray, bounds: Rectangle, area: Rectangle | None, value: int) -> None:
    """Set what lies within `bounds` but outside `area` to one value; all of it where `area` is None.

    Filling the whole input first, and pasting over it, would cost a twentieth of the time of a batch.
    """
    left, top, right, bottom = bounds
    if area is None:
        canvas[top:bottom, left:right] = value
        return
    x1, y1, x2, y2 = area
    canvas[top:y1, left:right] = value
    canvas[y2:bottom, left:right] = value
    canvas[y1:y2, left:x1] = value
    canvas[y1:y2, x2:right] = value


def _place_turned(
    tile: PlannedImage, source: Size, corner: tuple[int, int], resized: Size
) -> Placement | None:
    """As if not turned, then turned around the image's middle."""
    assert tile.turn is not None
    scale = np.array([resized[1] / source[1], resized[0] / source[0]])
    linear = tile.turn * scale
    half = np.array([source[1], source[0]]) / 2
    middle = np.array(corner) + scale * half
    reach = np.abs(linear) @ half
    lowest, highest = middle - reach, middle + reach
    extent = (floor(lowest[0]), floor(lowest[1]), ceil(highest[0]), ceil(highest[1]))
    area = _overlap(extent, tile.bounds)
    if area is None:
        return None
    return Placement(area, np.column_stack([linear, middle - linear @ half]), None)


def _overlap(first: Rectangle, second: Rectangle) -> Rectangle | None:
    x1, y1 = max(first[0], second[0]), max(first[1], second[1])
    x2, y2 = min(first[2], second[2]), min(first[3], second[3])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _outwards(start: int, end: int, source: int, resized: int) -> tuple[int, int]:
    """A stretch of the resized side in pixels of the source, rounded outwards; whole numbers, so exact."""
    return start * source // resized, -(-end * source // resized)


def _warp(image: np.ndarray, placement: Placement, size: tuple[int, int], pad_value: int) -> np.ndarray:
    """The turned image as it is seen through its area; `size` is (width, height)."""
    linear, offset = placement.matrix[:, :2], placement.matrix[:, 2]
    # The matrix counts from the corner of a pixel, OpenCV from its middle.
    offset = offset + linear @ np.array([0.5, 0.5]) - 0.5 - np.array(placement.area[:2])
    colour = (pad_value,) * 3
    return cv2.warpAffine(image, np.column_stack([linear, offset]), size, borderValue=colour)
