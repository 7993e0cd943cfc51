"""Paste images at their location on the network input, and compute the affine matrices for their boxes.

Without rotation or shear, a crop of the image is resized directly into a rectangle of the batch, in whole
pixels, and the boxes are mapped by exactly the same scale. Only a rotated or sheared image is warped, once.
"""

from collections.abc import Sequence
from math import ceil, floor
from typing import NamedTuple

import cv2
import numpy as np

from utils.augment.orientation import UPRIGHT, Orientation, orient, orientation_matrix
from utils.data.types import Image, Size
from utils.images.letterbox import resize_into
from utils.images.types import size_of

Rectangle = tuple[int, int, int, int]  # x1, y1, x2, y2 in whole pixels


class PlannedImage(NamedTuple):
    """The planned location of an image on the input, before the size of the image is known.

    zoom         scale factor after fitting the image to the input
    anchor       point of the image as fractions of width and height: (0, 0) is the top left corner
    point        position of the anchor: x, y in pixels of the input, possibly outside
    bounds       part of the input that the image may cover, such as a quadrant of a mosaic
    transform    float64 [2, 2], rotation and shear around the centre of the image; None for neither
    orientation  quarter turns and vertical flip of the image, before all else
    """

    zoom: float
    anchor: tuple[float, float]
    point: tuple[float, float]
    bounds: Rectangle
    transform: np.ndarray | None = None
    orientation: Orientation = UPRIGHT


Uses = list[tuple[int, PlannedImage]]  # canvas indices and planned locations of one image


class Placement(NamedTuple):
    """The location of an image on the input.

    area    part of the input that the image covers
    matrix  float64 [2, 3], maps x, y, 1 in image pixels to x, y on the input
    crop    part of the image that fills the area; None if the matrix rotates or shears
    """

    area: Rectangle
    matrix: np.ndarray
    crop: Rectangle | None


def paste_uses(
    image: Image, uses: Uses, canvases: Sequence[Image], pad_value: int
) -> list[tuple[int, Placement]]:
    """Paste the image on all its canvases, in place, and pad the rest of its bounds.

    Return the canvas index and the placement of each use in which a part of the image is visible.
    """
    size = size_of(canvases[0])
    placements = []
    for canvas, planned in uses:
        oriented = orient(image, planned.orientation)
        placement = resolve(planned, size_of(oriented), size)
        fill_around(canvases[canvas], planned.bounds, placement.area if placement else None, pad_value)
        if placement is not None:
            paste(oriented, placement, canvases[canvas], pad_value)
            placements.append((canvas, _from_stored(placement, planned.orientation, size_of(image))))
    return placements


def resolve(planned: PlannedImage, source: Size, size: Size) -> Placement | None:
    """Return the placement of a planned image of size `source` on an input of size `size`.

    None if no part of the image would be visible.
    """
    resized = resized_size(planned, source, size)
    left = floor(planned.point[0] - planned.anchor[0] * resized[1])
    top = floor(planned.point[1] - planned.anchor[1] * resized[0])
    if planned.transform is not None:
        return _place_transformed(planned, source, (left, top), resized)
    area = _overlap((left, top, left + resized[1], top + resized[0]), planned.bounds)
    if area is None:
        return None
    x1, x2 = _outwards(area[0] - left, area[2] - left, source[1], resized[1])
    y1, y2 = _outwards(area[1] - top, area[3] - top, source[0], resized[0])
    scale_x, scale_y = (area[2] - area[0]) / (x2 - x1), (area[3] - area[1]) / (y2 - y1)
    matrix = np.array([[scale_x, 0, area[0] - x1 * scale_x], [0, scale_y, area[1] - y1 * scale_y]])
    return Placement(area, matrix, (x1, y1, x2, y2))


def resized_size(planned: PlannedImage, source: Size, size: Size) -> Size:
    """Return the size to which an image of size `source` is scaled, before cropping or rotation."""
    fit = min(size[0] / source[0], size[1] / source[1]) * planned.zoom
    return max(1, round(source[0] * fit)), max(1, round(source[1] * fit))


def paste(image: Image, placement: Placement, canvas: Image, pad_value: int) -> None:
    """Paste the image into its area of `canvas`, in place."""
    x1, y1, x2, y2 = placement.area
    area = canvas[y1:y2, x1:x2]
    if placement.crop is None:
        area[:] = _warp(image, placement, (y2 - y1, x2 - x1), pad_value)
    else:
        left, top, right, bottom = placement.crop
        resize_into(image[top:bottom, left:right], area)


def fill_around(canvas: Image, bounds: Rectangle, area: Rectangle | None, value: int) -> None:
    """Fill `bounds` outside `area` with one value, or all of `bounds` if `area` is None.

    Filling the whole input before pasting would take 5 % of the time of a batch.
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


def _from_stored(placement: Placement, orientation: Orientation, source: Size) -> Placement:
    """Return the placement with a matrix for boxes of the image as it is stored, of size `source`."""
    if orientation == UPRIGHT:
        return placement
    return placement._replace(matrix=placement.matrix @ orientation_matrix(orientation, source))


def _place_transformed(
    planned: PlannedImage, source: Size, corner: tuple[int, int], resized: Size
) -> Placement | None:
    """Place the image without rotation, then rotate and shear it around the centre."""
    assert planned.transform is not None
    scale = np.array([resized[1] / source[1], resized[0] / source[0]])
    linear = planned.transform * scale
    half = np.array([source[1], source[0]]) / 2
    centre = np.array(corner) + scale * half
    reach = np.abs(linear) @ half
    lowest, highest = centre - reach, centre + reach
    extent = (floor(lowest[0]), floor(lowest[1]), ceil(highest[0]), ceil(highest[1]))
    area = _overlap(extent, planned.bounds)
    if area is None:
        return None
    return Placement(area, np.column_stack([linear, centre - linear @ half]), None)


def _overlap(first: Rectangle, second: Rectangle) -> Rectangle | None:
    x1, y1 = max(first[0], second[0]), max(first[1], second[1])
    x2, y2 = min(first[2], second[2]), min(first[3], second[3])
    return (x1, y1, x2, y2) if x1 < x2 and y1 < y2 else None


def _outwards(start: int, end: int, source: int, resized: int) -> tuple[int, int]:
    """Map an interval in resized pixels to source pixels, rounded outwards, in exact integer arithmetic."""
    return start * source // resized, -(-end * source // resized)


def _warp(image: Image, placement: Placement, size: Size, pad_value: int) -> Image:
    """Return the part of the transformed image that fills the placement's area, which has this size."""
    linear, offset = placement.matrix[:, :2], placement.matrix[:, 2]
    # Integer coordinates are pixel corners in the matrix, and pixel centres in OpenCV.
    offset = offset + linear @ np.array([0.5, 0.5]) - 0.5 - np.array(placement.area[:2])
    colour = (pad_value,) * 3
    matrix = np.column_stack([linear, offset])
    return cv2.warpAffine(image, matrix, (size[1], size[0]), borderValue=colour)
