"""Draw boxes and their labels on images."""

import math
from collections.abc import Sequence
from typing import NamedTuple

import cv2
import numpy as np

from utils.data.detections import Detections
from utils.data.types import Boxes, Image, Labels
from utils.draw.label_placement import place_labels
from utils.draw.palette import Colour, class_colours, text_colour
from utils.draw.text import put_text, text_size

# Fractions of height plus width: 2 and 14 pixels on 640 x 480, 4 and 25 on 1280 x 720.
LINE_WIDTH = 0.002
TEXT_HEIGHT = 0.0125
LARGE_IMAGE = 2000  # height plus width from which line widths and text grow only with its square root
THIN = 6  # height plus width counts as at most this many times the shorter side
MIN_LINE_WIDTH = 2  # pixels; the black or white outline would hide most of a thinner line
MIN_TEXT_HEIGHT = 10  # pixels; smaller text is not legible


def draw_detections(image: Image, detections: Detections, class_names: Sequence[str]) -> Image:
    """Return a copy of the image with the box, class name and score of every detection drawn on it."""
    return draw_boxes(image, detections.boxes, detections.labels, class_names, detections.scores)


def draw_boxes(
    image: Image,
    boxes: Boxes,
    labels: Labels,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> Image:
    """Return a copy of the image with boxes [N, 4] (xyxy pixels), class names and scores drawn on it.

    Lines and text grow with the image. The first boxes (of detections, the highest-scoring) are on top, and
    their labels are placed first.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    line, text_height = stroke_sizes(height, width)
    colours = class_colours(len(class_names))
    visible = [k for k in range(len(boxes)) if _is_visible(boxes[k], height, width)]
    drawn = np.array([_drawable(boxes[k], height, width, line) for k in visible]).reshape(-1, 4)
    strokes = [colours[labels[k]] for k in visible]
    for (left, top, right, bottom), colour in zip(drawn[::-1].tolist(), strokes[::-1], strict=True):
        corners = (left, top), (right - 1, bottom - 1)
        cv2.rectangle(canvas, *corners, text_colour(colour), line + 2)  # visible on any background
        cv2.rectangle(canvas, *corners, colour, line)
    names = [class_names[labels[k]] for k in visible]
    if scores is not None:
        names = [f"{name} {scores[k]:.2f}" for name, k in zip(names, visible, strict=True)]
    half = line // 2 + 1
    outer = drawn + np.array([-half, -half, half, half])
    _draw_labels(canvas, outer, [_label(name, text_height) for name in names], strokes)
    return canvas


def stroke_sizes(height: int, width: int) -> tuple[int, int]:
    """Return line width and text height in pixels for an image of this size."""
    size = float(min(height + width, THIN * min(height, width)))
    size = size if size < LARGE_IMAGE else math.sqrt(LARGE_IMAGE * size)
    return max(MIN_LINE_WIDTH, round(LINE_WIDTH * size)), max(MIN_TEXT_HEIGHT, round(TEXT_HEIGHT * size))


class TextLabel(NamedTuple):
    """A text label with a background; all sizes in pixels."""

    text: str
    text_height: int
    width: int
    height: int
    pad: int


def _label(text: str, text_height: int) -> TextLabel:
    size, pad = text_size(text, text_height), max(2, text_height // 5)
    return TextLabel(text, text_height, size.width + 2 * pad, size.height + pad, pad)


def _is_visible(box: np.ndarray, height: int, width: int) -> bool:
    left, top, right, bottom = box
    # False for NaN too: every comparison with it is false.
    return bool(
        left < width and top < height and right > 0 and bottom > 0 and left <= right and top <= bottom
    )


def _drawable(box: np.ndarray, height: int, width: int, line: int) -> list[int]:
    """Return the box in whole pixels.

    Sides far outside the image are moved closer, since OpenCV's integers are short, but stay outside, so that
    no edge appears at the image border.
    """
    beyond = 2 * line + 4
    limits = [width + beyond, height + beyond] * 2
    return [round(float(value)) for value in np.clip(box, -beyond, limits)]


def _draw_labels(image: Image, boxes: Boxes, labels: Sequence[TextLabel], colours: Sequence[Colour]) -> None:
    """Draw each label on a rectangle in the colour of its box, the first label on top; in place."""
    height, width = image.shape[:2]
    if any(2 * label.height > height for label in labels):
        return  # they would hide the image
    sizes = np.array([(label.width, label.height) for label in labels]).reshape(-1, 2)
    corners = place_labels(boxes, sizes, height, width).tolist()
    for label, (left, top), colour in reversed(list(zip(labels, corners, colours, strict=True))):
        corner = (left + label.width - 1, top + label.height - 1)
        cv2.rectangle(image, (left, top), corner, colour, cv2.FILLED)
        put_text(
            image, label.text, left + label.pad, top + label.pad // 2, label.text_height, text_colour(colour)
        )
