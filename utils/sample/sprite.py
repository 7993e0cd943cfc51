"""Render the parts of an object as a sprite: pixels with an alpha channel."""

from typing import NamedTuple

import cv2
import numpy as np

from utils.sample.scene import FloatColour
from utils.sample.shapes import Part

SUPERSAMPLING = 3  # render at this many times the size and average, for smooth edges
FRACTION_BITS = 4  # of OpenCV's fixed-point coordinates


class Sprite(NamedTuple):
    """A rendered object, to be pasted with its top left corner at (left, top).

    colour  float32 [h, w, 3], 0 to 255, already multiplied by alpha
    alpha   float32 [h, w], 0 to 1
    """

    colour: np.ndarray
    alpha: np.ndarray
    left: int
    top: int


def draw_sprite(
    parts: list[Part],
    palette: dict[str, FloatColour],
    matrix: np.ndarray,
    centre: tuple[float, float],
    line: float = 0.0,
) -> Sprite:
    """Render the parts of an object as a sprite.

    palette  RGB colour of every paint
    matrix   [2, 2], maps shape coordinates to pixels relative to `centre`
    line     width in pixels of a dark line around every part; 0 for none
    """
    placed = [(part.outline @ matrix.T + centre, part.paint) for part in parts]
    everything = np.concatenate([outline for outline, _ in placed])
    margin = line + 2
    left, top = np.floor(everything.min(0) - margin).astype(int)
    right, bottom = np.ceil(everything.max(0) + margin).astype(int)
    colour = np.zeros(((bottom - top) * SUPERSAMPLING, (right - left) * SUPERSAMPLING, 3), np.float32)
    alpha = np.zeros(colour.shape[:2], np.float32)
    for outline, paint in placed:
        points = np.round((outline - (left, top)) * SUPERSAMPLING * 2**FRACTION_BITS).astype(np.int32)
        cover = 0.0 if paint == "hole" else 1.0
        cv2.fillPoly(colour, [points], palette[paint] if cover else (0, 0, 0), shift=FRACTION_BITS)
        cv2.fillPoly(alpha, [points], cover, shift=FRACTION_BITS)
        if line:
            width = max(1, round(line * SUPERSAMPLING))
            cv2.polylines(colour, [points], True, palette["line"], width, shift=FRACTION_BITS)
            cv2.polylines(alpha, [points], True, 1.0, width, shift=FRACTION_BITS)
    size = (right - left, bottom - top)
    colour, alpha = (cv2.resize(drawn, size, interpolation=cv2.INTER_AREA) for drawn in (colour, alpha))
    return Sprite(colour, alpha, int(left), int(top))
