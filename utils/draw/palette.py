"""A colour for each class; colours also differ for people with red-green colour blindness (8 % of men)."""

from collections.abc import Sequence
from functools import cache

import cv2
import numpy as np

Colour = tuple[int, int, int]

# Okabe and Ito, "Color Universal Design", 2008; black is last here, since it is invisible in shadows.
OKABE_ITO: tuple[Colour, ...] = (
    (230, 159, 0),  # orange
    (86, 180, 233),  # sky blue
    (0, 158, 115),  # bluish green
    (240, 228, 66),  # yellow
    (0, 114, 178),  # blue
    (213, 94, 0),  # vermilion
    (204, 121, 167),  # reddish purple
    (0, 0, 0),
)
# Linear RGB as seen without red cones, and without green cones: Machado, Oliveira and Fernandes, "A
# Physiologically-based Model for Simulation of Color Vision Deficiency", 2009, severity 1.
PROTANOPIA = np.array(
    [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]]
)
DEUTERANOPIA = np.array(
    [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]]
)
DISTINCT_COLOURS = 256  # number of colours; with more classes they repeat
CHANNEL_STEPS = 12  # number of candidate values per channel
LIGHTNESS = (25, 95)  # range of CIELAB lightness: not too close to black or white


def class_colours(number: int) -> list[Colour]:
    """Return an RGB colour per class; a class has the same colour for any number of classes."""
    table = _table()
    return [table[index % len(table)] for index in range(number)]


def text_colours(colours: Sequence[Colour]) -> list[Colour]:
    """Return black or white for each colour, whichever contrasts more (luma of ITU-R BT.601)."""
    lumas = (0.299 * r + 0.587 * g + 0.114 * b for r, g, b in colours)
    return [(0, 0, 0) if luma > 135 else (255, 255, 255) for luma in lumas]


@cache
def _table() -> tuple[Colour, ...]:
    """Return Okabe and Ito's colours, then greedily the colour farthest from all earlier colours.

    The distance is the minimum over the three kinds of vision. The minimum distance (CIE76) is 17 among the
    first 8, 19 among 20, and 7.9 among 80 colours (the number of COCO classes).
    """
    levels = np.linspace(0, 255, CHANNEL_STEPS).round()
    tried = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    lightness = as_seen(tried)[0, :, 0]
    tried = tried[(lightness > LIGHTNESS[0]) & (lightness < LIGHTNESS[1])]
    seen = as_seen(tried)
    nearest = np.full(len(tried), np.inf)
    colours = [*OKABE_ITO]
    for number in range(DISTINCT_COLOURS):
        if number == len(colours):
            r, g, b = tried[nearest.argmax()].astype(int).tolist()
            colours.append((r, g, b))
        away = np.linalg.norm(seen - as_seen(np.array([colours[number]])), axis=-1).min(axis=0)
        nearest = np.minimum(nearest, away)
    return tuple(colours)


def as_seen(colours: np.ndarray) -> np.ndarray:
    """Convert RGB colours [N, 3] (0 to 255) to CIELAB [3, N, 3] seen with all, no red, no green cones."""
    channels = colours / 255
    linear = np.where(channels <= 0.04045, channels / 12.92, ((channels + 0.055) / 1.055) ** 2.4)
    eyes = np.stack([linear, linear @ PROTANOPIA.T, linear @ DEUTERANOPIA.T]).clip(0, 1)
    gamma = np.where(eyes <= 0.0031308, 12.92 * eyes, 1.055 * eyes ** (1 / 2.4) - 0.055)
    lab: np.ndarray = cv2.cvtColor(gamma.astype(np.float32), cv2.COLOR_RGB2Lab)
    return lab
