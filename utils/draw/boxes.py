"""Draw boxes and their labels on images."""

import math
from collections.abc import Sequence

import cv2
import numpy as np

from utils.data.detections import Detections
from utils.data.types import Boxes, Image, Labels
from utils.draw.label_placement import place_labels
from utils.draw.palette import class_colours, text_colours
from utils.draw.text import label_sizes, put_labels

# Fractions of height plus width: 2 and 14 pixels on 640 x 480, 4 and 25 on 1280 x 720.
LINE_WIDTH = 0.002
TEXT_HEIGHT = 0.0125
LARGE_IMAGE = 2000  # height plus width from which line widths and text grow only with its square root
THIN = 6  # height plus width counts as at most this many times the shorter side
MIN_LINE_WIDTH = 2  # pixels; the black or white outline would hide most of a thinner line
MIN_TEXT_HEIGHT = 10  # pixels; smaller text is not legible
MAX_LABELS = 1000  # per image; placing them takes memory with the square of their number


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
    their labels are placed first; beyond `MAX_LABELS` boxes there are no more labels.
    """
    canvas = np.ascontiguousarray(image).copy()
    height, width = canvas.shape[:2]
    line, text_height = stroke_sizes(height, width)
    colours = class_colours(len(class_names))
    visible = [k for k in range(len(boxes)) if _is_visible(boxes[k], height, width)]
    drawn = np.array([_drawable(boxes[k], height, width, line) for k in visible]).reshape(-1, 4)
    fills = [colours[labels[k]] for k in visible]
    contrasts = text_colours(fills)
    strokes = list(zip(drawn.tolist(), fills, contrasts, strict=True))
    for (left, top, right, bottom), fill, contrast in reversed(strokes):
        first, last = (left, top), (right - 1, bottom - 1)
        cv2.rectangle(canvas, first, last, contrast, line + 2)  # visible on any background
        cv2.rectangle(canvas, first, last, fill, line)
    visible, drawn = visible[:MAX_LABELS], drawn[:MAX_LABELS]
    texts = [class_names[labels[k]] for k in visible]
    if scores is not None:
        texts = [f"{text} {scores[k]:.2f}" for text, k in zip(texts, visible, strict=True)]
    sizes = label_sizes(texts, text_height)
    if (2 * sizes[:, 1] > height).any():
        return canvas  # labels would hide the image
    half = line // 2 + 1
    outer = drawn + np.array([-half, -half, half, half])
    corners = place_labels(outer, sizes, height, width)
    count = len(texts)
    put_labels(canvas, texts, text_height, corners, sizes, fills[:count], contrasts[:count])
    return canvas


def stroke_sizes(height: int, width: int) -> tuple[int, int]:
    """Return line width and text height in pixels for an image of this size."""
    size = float(min(height + width, THIN * min(height, width)))
    size = size if size < LARGE_IMAGE else math.sqrt(LARGE_IMAGE * size)
    return max(MIN_LINE_WIDTH, round(LINE_WIDTH * size)), max(MIN_TEXT_HEIGHT, round(TEXT_HEIGHT * size))


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
