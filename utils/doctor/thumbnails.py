"""Thumbnails of the images with findings, as HTML with embedded pixels."""

from collections.abc import Sequence
from html import escape
from pathlib import Path

import cv2
import numpy as np

from utils.data.types import Boxes, Image
from utils.doctor.finding import Location
from utils.doctor.splits import Split
from utils.draw.boxes import draw_boxes
from utils.draw.thumbnails import data_url, resized
from utils.images.image_io import ImageError, read_image

THUMBNAIL_SIDE = 360  # pixels of the longer side: readable on a phone, 30 to 40 KB per image
MARK_COLOUR, WHITE = (255, 0, 0), (255, 255, 255)
SMALLEST_MARK = 8.0  # pixels of a thumbnail: zoom in on a marked box that would be smaller


def image_locations(split: Split) -> list[Location]:
    """Return a location for every image of a split, without marked boxes."""
    return [Location(split.name, str(path), number) for number, path in enumerate(split.paths())]


def sample_locations(locations: Sequence[Location], number: int, rng: np.random.Generator) -> list[Location]:
    """Return up to `number` randomly sampled locations, in the given order."""
    chosen = rng.choice(len(locations), min(number, len(locations)), replace=False)
    return [locations[k] for k in sorted(chosen.tolist())]


def location_figures(locations: Sequence[Location], splits: Sequence[Split]) -> list[str]:
    """Return HTML figures of the images that can be shown, each next to the image it resembles, if any."""
    by_name = {split.name: split for split in splits}
    figures = [_figure(location, by_name[location.split]) for location in locations]
    return [figure for figure in figures if figure]


def _figure(location: Location, split: Split) -> str:
    if location.image_number < 0 or split.facts[location.image_number].error:
        return ""
    images = [location_thumbnail(location, split)]
    try:
        images += [_shrunk(read_image(location.like))] if location.like else []
    except ImageError:
        return ""
    tags = "".join(f'<img loading="lazy" alt="" src="{data_url(image)}">' for image in images)
    text = f"{escape(location.split)}: {escape(Path(location.path).name)}"
    text += f" | {escape(Path(location.like).name)}" if location.like else ""
    text += f"<br>{escape(location.detail)}" if location.detail else ""
    kind = "pair" if location.like else "one"
    return f'<figure class="{kind}">{tags}<figcaption>{text}</figcaption></figure>'


def location_thumbnail(location: Location, split: Split) -> Image:
    """Return the image with boxes drawn, marked ones in red; zoomed in if the first marked box is tiny."""
    image = read_image(location.path)
    span = split.index.span(location.image_number)
    boxes, labels = split.index.boxes[span], split.index.labels[span]
    marked = split.index.boxes[list(location.boxes)]
    left, top, right, bottom = _view(image, marked)
    scale = THUMBNAIL_SIDE / max(right - left, bottom - top)
    small = resized(image[top:bottom, left:right], scale)
    origin = np.array([left, top] * 2, np.float32)
    drawn = draw_boxes(small, (boxes - origin) * scale, labels, split.index.class_names)
    near = ((marked - origin) * scale).round().clip(-THUMBNAIL_SIDE, 2 * THUMBNAIL_SIDE)
    for x1, y1, x2, y2 in near.astype(int).tolist():
        for colour, line in ((WHITE, 7), (MARK_COLOUR, 3)):  # a class colour may be the same red
            cv2.rectangle(drawn, (x1 - 4, y1 - 4), (x2 + 4, y2 + 4), colour, line)
    return drawn


def _view(image: Image, marked: Boxes) -> tuple[int, int, int, int]:
    """Return the region to show: the whole image, or the surroundings of a box that would be too small."""
    height, width = image.shape[:2]
    if not len(marked):
        return 0, 0, width, height
    x1, y1, x2, y2 = marked[0].clip(0, [width, height, width, height]).tolist()
    extent = max(x2 - x1, y2 - y1, 1)
    if extent * THUMBNAIL_SIDE / max(height, width) >= SMALLEST_MARK:
        return 0, 0, width, height
    half = int(min(max(height, width), max(32, 4 * extent)) / 2)
    x, y = int((x1 + x2) / 2), int((y1 + y2) / 2)
    return max(0, x - half), max(0, y - half), min(width, x + half), min(height, y + half)


def _shrunk(image: Image) -> Image:
    return resized(image, THUMBNAIL_SIDE / max(image.shape[:2]))
