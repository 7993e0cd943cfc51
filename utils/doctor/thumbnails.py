"""Small images of places where something was found, as HTML that holds them."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from utils.doctor.finding import Location
from utils.doctor.splits import Split
from utils.draw.boxes import draw_boxes
from utils.draw.thumbnails import data_url, resized
from utils.images.image_io import ImageError, read_image

SIDE = 360  # pixels of the longer side: readable on a telephone, 30 to 40 KB an image
MARK, WHITE = (255, 0, 0), (255, 255, 255)
CROP = 8.0  # pixels of a thumbnail: of a marked box that would be smaller, the surroundings are enlarged


def places_of(split: Split) -> list[Location]:
    """Every image of a split as a place with nothing marked."""
    return [Location(split.name, str(path), image) for image, path in enumerate(split.paths())]


def sample_places(places: Sequence[Location], number: int, rng: np.random.Generator) -> list[Location]:
    """At most `number` of the places, drawn at random, in their order."""
    chosen = rng.choice(len(places), min(number, len(places)), replace=False)
    return [places[k] for k in sorted(chosen.tolist())]


def image_of(place: Location, splits: Sequence[Split]) -> str:
    """A figure of the place, beside it what it is like; "" where there is no image to show."""
    split = next(split for split in splits if split.name == place.split)
    if place.image < 0 or split.facts[place.image].error:
        return ""
    images = [place_thumbnail(place, split)]
    try:
        images += [_shrunk(read_image(place.like))] if place.like else []
    except ImageError:
        return ""
    tags = "".join(f'<img loading="lazy" alt="" src="{data_url(image)}">' for image in images)
    text = f"{escape(place.split)}: {escape(Path(place.path).name)}"
    text += f" | {escape(Path(place.like).name)}" if place.like else ""
    text += f"<br>{escape(place.detail)}" if place.detail else ""
    return f'<figure class="{"pair" if place.like else "one"}">{tags}<figcaption>{text}</figcaption></figure>'


def place_thumbnail(place: Location, split: Split) -> np.ndarray:
    """The image with its boxes, what is meant in red: uint8 RGB. Around a tiny box it is enlarged."""
    image = read_image(place.path)
    span = split.index.span(place.image)
    boxes, labels = split.index.boxes[span], split.index.labels[span]
    marked = split.index.boxes[list(place.boxes)]
    left, top, right, bottom = _view(image, marked)
    scale = SIDE / max(right - left, bottom - top)
    small = resized(image[top:bottom, left:right], scale)
    origin = np.array([left, top] * 2, np.float32)
    drawn = draw_boxes(small, (boxes - origin) * scale, labels, split.index.class_names)
    for x1, y1, x2, y2 in ((marked - origin) * scale).round().clip(-SIDE, 2 * SIDE).astype(int).tolist():
        for colour, line in ((WHITE, 7), (MARK, 3)):  # a class may have the same red
            cv2.rectangle(drawn, (x1 - 4, y1 - 4), (x2 + 4, y2 + 4), colour, line)
    return drawn


def _view(image: np.ndarray, marked: np.ndarray) -> tuple[int, int, int, int]:
    """What part is shown: all, or around the first marked box if it would be too small to be seen."""
    height, width = image.shape[:2]
    if not len(marked):
        return 0, 0, width, height
    x1, y1, x2, y2 = marked[0].clip(0, [width, height, width, height]).tolist()
    extent = max(x2 - x1, y2 - y1, 1)
    if extent * SIDE / max(height, width) >= CROP:
        return 0, 0, width, height
    half = int(min(max(height, width), max(32, 4 * extent)) / 2)
    x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
    return max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half)


def _shrunk(image: np.ndarray) -> np.ndarray:
    return resized(image, SIDE / max(image.shape[:2]))
