"""Draws boxes and their labels on images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.detections import Detections
from utils.draw.label_placement import place_tags
from utils.draw.palette import Colour, class_colours, text_colour
from utils.draw.text import put_text, text_size

# Shares of height and width together: 2 and 14 pixels on 640 x 480, 4 and 25 on 1280 x 720.
LINE = 0.002
LETTERS = 0.0125
LARGE_IMAGE = (
    2000  # pixels of height and width together from which lines and letters grow with the root alone
)
THIN = 6  # times the shorter side is what an image that is very long counts for
LEAST_LINE = 2  # pixels; of a thinner one its black or white casing would leave little to see
LEAST_LETTERS = 10  # pixels; smaller ones cannot be read


def draw_detections(image: np.ndarray, detections: Detections, class_names: Sequence[str]) -> np.ndarray:
    """A copy of the RGB uint8 image [H, W, 3] with every detection's box, class and score."""
    return draw_boxes(image, detections.boxes, detections.labels, class_names, detections.scores)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of the RGB uint8 image [H, W, 3] with the boxes [N, 4] (xyxy pixels) and their names.

    Lines and letters grow with the image. The first boxes, which are the best of detections, lie on top and
    have the first choice of a place for their name.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    line, letters = stroke_sizes(height, width)
    colours = class_colours(len(class_names))
    visible = [k for k in range(len(boxes)) if _is_visible(boxes[k], height, width)]
    drawn = np.array([_drawable(boxes[k], height, width, line) for k in visible]).reshape(-1, 4)
    strokes = [colours[labels[k]] for k in visible]
    for (left, top, right, bottom), colour in zip(drawn[::-1].tolist(), strokes[::-1], strict=True):
        corners = (left, top), (right - 1, bottom - 1)
        cv2.rectangle(canvas, *corners, text_colour(colour), line + 2)  # seen on any background
        cv2.rectangle(canvas, *corners, colour, line)
    names = [class_names[labels[k]] for k in visible]
    if scores is not None:
        names = [f"{name} {scores[k]:.2f}" for name, k in zip(names, visible, strict=True)]
    half = line // 2 + 1
    outer = drawn + np.array([-half, -half, half, half])
    _draw_tags(canvas, outer, [_tag(name, letters) for name in names], strokes)
    return canvas


def stroke_sizes(height: int, width: int) -> tuple[int, int]:
    """How many pixels wide lines are, and how high letters, on an image of that size."""
    size = float(min(height + width, THIN * min(height, width)))
    size = size if size < LARGE_IMAGE else math.sqrt(LARGE_IMAGE * size)
    return max(LEAST_LINE, round(LINE * size)), max(LEAST_LETTERS, round(LETTERS * size))


class Tag(NamedTuple):
    """A text on its background, in pixels."""

    text: str
    letters: int
    width: int
    height: int
    pad: int


def _tag(text: str, letters: int) -> Tag:
    size, pad = text_size(text, letters), max(2, letters // 5)
    return Tag(text, letters, size.width + 2 * pad, size.height + pad, pad)


def _is_visible(box: np.ndarray, height: int, width: int) -> bool:
    left, top, right, bottom = box
    # False for NaN too: no comparison with it holds.
    return bool(
        left < width and top < height and right > 0 and bottom > 0 and left <= right and top <= bottom
    )


def _drawable(box: np.ndarray, height: int, width: int, line: int) -> list[int]:
    """The box in whole pixels. What lies far outside is brought near, for OpenCV's integers are short, but
    stays outside: no edge is drawn where the image merely ends."""
    beyond = 2 * line + 4
    limits = [width + beyond, height + beyond] * 2
    return [round(float(value)) for value in np.clip(box, -beyond, limits)]


def _draw_tags(image: np.ndarray, boxes: np.ndarray, tags: Sequence[Tag], colours: Sequence[Colour]) -> None:
    """Write each tag's text on a rectangle of its box's colour, the first on top."""
    height, width = image.shape[:2]
    if any(2 * tag.height > height for tag in tags):
        return  # they would hide the image
    sizes = np.array([(tag.width, tag.height) for tag in tags]).reshape(-1, 2)
    places = place_tags(boxes, sizes, height, width).tolist()
    for tag, (left, top), colour in reversed(list(zip(tags, places, colours, strict=True))):
        corner = (left + tag.width - 1, top + tag.height - 1)
        cv2.rectangle(image, (left, top), corner, colour, cv2.FILLED)
        put_text(image, tag.text, left + tag.pad, top + tag.pad // 2, tag.letters, text_colour(colour))
