"""Drawing boxes and their labels on pictures, contact sheets, and saving pictures."""

import colorsys
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np

from utils.atomic import replacing
from utils.detections import Detections
from utils.image_files import IMAGE_SUFFIXES

Colour = tuple[int, int, int]

GOLDEN_RATIO = 0.618034  # steps of this share of the colour circle never come close to an earlier one soon
FONT = "uni"  # the font within OpenCV 5 that has Latin, Cyrillic, Greek, Chinese, Japanese and Korean


def class_colours(number: int) -> list[Colour]:
    """A bright RGB colour for each class; the first classes keep theirs whatever their number."""
    colours = []
    for index in range(number):
        hue = (0.02 + index * GOLDEN_RATIO) % 1
        saturation, value = ((0.85, 0.95), (0.55, 1.0), (0.95, 0.7))[index // 8 % 3]
        r, g, b = colorsys.hsv_to_rgb(hue, saturation, value)
        colours.append((round(255 * r), round(255 * g), round(255 * b)))
    return colours


def draw_detections(image: np.ndarray, detections: Detections, class_names: Sequence[str]) -> np.ndarray:
    """A copy of the RGB uint8 picture [H, W, 3] with every detection's box, class and score."""
    return draw_boxes(image, detections.boxes, detections.labels, class_names, detections.scores)


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray,
    labels: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
) -> np.ndarray:
    """A copy of the RGB uint8 picture [H, W, 3] with the boxes [N, 4] (xyxy pixels) and their names.

    Lines and letters grow with the picture. The first boxes, which are the best of detections, lie on top.
    """
    picture = np.ascontiguousarray(image).copy()
    height, width = picture.shape[:2]
    line = max(1, round(0.003 * (height + width)))
    letters = max(10, round(0.013 * (height + width)))
    colours = class_colours(len(class_names))
    visible = [k for k in reversed(range(len(boxes))) if _is_visible(boxes[k], height, width)]
    for k in visible:
        left, top, right, bottom = _drawable(boxes[k], height, width, line)
        cv2.rectangle(picture, (left, top), (right - 1, bottom - 1), colours[labels[k]], line)
    for k in visible:  # after all boxes, so that no line crosses a name
        text = class_names[labels[k]] if scores is None else f"{class_names[labels[k]]} {scores[k]:.2f}"
        left, top, *_ = _drawable(boxes[k], height, width, line)
        _draw_tag(picture, text, left - line // 2, top - line // 2, letters, colours[labels[k]])
    return picture


def _is_visible(box: np.ndarray, height: int, width: int) -> bool:
    left, top, right, bottom = box
    # False for NaN too: no comparison with it holds.
    return bool(
        left < width and top < height and right > 0 and bottom > 0 and left <= right and top <= bottom
    )


def _drawable(box: np.ndarray, height: int, width: int, line: int) -> list[int]:
    """The box in whole pixels. What lies far outside is brought near, for OpenCV's integers are short, but
    stays outside: no edge is drawn where the picture merely ends."""
    beyond = 2 * line
    limits = [width + beyond, height + beyond] * 2
    return [round(float(value)) for value in np.clip(box, -beyond, limits)]


def _draw_tag(picture: np.ndarray, text: str, left: int, bottom: int, letters: int, colour: Colour) -> None:
    """Write the text on a filled tag that stands on (left, bottom), moved where it would not fit."""
    font = cv2.FontFace(FONT)
    height, width = picture.shape[:2]
    _, rise, text_width, text_height = cv2.getTextSize((0, 0), text, (0, 0), font, letters)
    pad = max(2, letters // 5)
    tag_width, tag_height = text_width + 2 * pad, text_height + pad
    if 2 * tag_height > height:
        return  # it would hide the picture
    left = max(0, min(left, width - tag_width))
    top = bottom - tag_height
    if top < 0:  # no room above the box: inside, at its upper edge
        top = max(0, min(bottom, height - tag_height))
    cv2.rectangle(picture, (left, top), (left + tag_width - 1, top + tag_height - 1), colour, cv2.FILLED)
    cv2.putText(picture, text, (left + pad, top + pad // 2 - rise), _text_colour(colour), font, letters)


def _text_colour(colour: Colour) -> Colour:
    """Black or white, whichever stands out from the colour (by the luminance of television, ITU-R BT.601)."""
    r, g, b = colour
    return (0, 0, 0) if 0.299 * r + 0.587 * g + 0.114 * b > 135 else (255, 255, 255)


def contact_sheet(
    images: Sequence[np.ndarray], columns: int = 4, cell: tuple[int, int] = (240, 320), gap: int = 4
) -> np.ndarray:
    """The RGB uint8 pictures in a grid, each within a cell of (height, width), on white.

    Their shapes are kept. Raises `ValueError` if there is no picture.
    """
    if not images:
        raise ValueError("a contact sheet needs at least one picture")
    height, width = cell
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    sheet = np.full((rows * (height + gap) + gap, columns * (width + gap) + gap, 3), 255, np.uint8)
    for number, image in enumerate(images):
        fitted = _fit(image, height, width)
        y = gap + number // columns * (height + gap) + (height - fitted.shape[0]) // 2
        x = gap + number % columns * (width + gap) + (width - fitted.shape[1]) // 2
        sheet[y : y + fitted.shape[0], x : x + fitted.shape[1]] = fitted
    return sheet


def _fit(image: np.ndarray, height: int, width: int) -> np.ndarray:
    scale = min(height / image.shape[0], width / image.shape[1])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)


def save_image(path: Path, image: np.ndarray) -> None:
    """Save the RGB uint8 picture [H, W, 3] in the format of the path's extension; folders are made as needed.

    Raises `ValueError` for an extension that is not known or a picture that the format cannot hold.
    """
    suffix = path.suffix.lower()
    if suffix not in IMAGE_SUFFIXES:
        known = ", ".join(IMAGE_SUFFIXES)
        raise ValueError(f"cannot save {path}: give it one of the extensions {known}")
    # OpenCV opens no path with non-Latin letters on Windows: encode in memory, write the bytes ourselves.
    options = [cv2.IMWRITE_JPEG_QUALITY, 95] if suffix in (".jpg", ".jpeg") else []
    try:
        done, encoded = cv2.imencode(suffix, cv2.cvtColor(image, cv2.COLOR_RGB2BGR), options)
    except cv2.error as error:
        raise ValueError(f"cannot save {path}: {error.err}") from None
    if not done:
        raise ValueError(f"cannot save {path}: a picture of {image.shape[1]} x {image.shape[0]} is too large")
    with replacing(path) as beside:
        beside.write_bytes(encoded.tobytes())


def show_image(title: str, image: np.ndarray) -> None:
    """Show the RGB picture in a window until a key is pressed. ValueError where there is no display."""
    try:
        cv2.imshow(title, cv2.cvtColor(image, cv2.COLOR_RGB2BGR))
        cv2.waitKey(0)
        cv2.destroyWindow(title)
    except cv2.error:
        raise ValueError("--show needs a display: leave it out, the pictures are saved anyway") from None
