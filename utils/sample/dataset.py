"""The sample data set: synthetic images of cups, fish, houses, keys and trees.

It lets `train.py` run from start to finish without data. Colour is independent of the class; objects are
rotated, scaled, shaded, partly occluded and truncated, among clutter and under uneven light. Boxes are the
exact extent of each object's pixels.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from utils.data.types import Boxes, Image, Labels, Size
from utils.sample.scene import FloatColour, background, gradient, photograph, random_rgb
from utils.sample.shapes import SHAPE_FUNCTIONS, Part, distractor
from utils.sample.sprite import Sprite, draw_sprite

SAMPLE_CLASSES = tuple(SHAPE_FUNCTIONS)
SAMPLE_SPLITS = {"train": 320, "val": 40, "test": 80}  # number of images per split
SAMPLE_SIZES: list[Size] = [(256, 320), (320, 256), (300, 360), (360, 300), (320, 320)]
MIN_VISIBLE = 0.85  # minimum fraction of an object's area inside the image and not occluded
MAX_ROTATION = {"cup": 15, "fish": 15, "house": 10, "key": 20, "tree": 10}  # degrees in either direction


class SampleImage(NamedTuple):
    """A sample image and its ground truth.

    image      uint8 RGB [H, W, 3]
    boxes      int64 [N, 4], xyxy pixels; right and bottom are one past the object's last pixel
    labels     int64 [N], indices into SAMPLE_CLASSES
    truncated  bool [N], whether the image border cuts the object
    """

    image: Image
    boxes: Boxes
    labels: Labels
    truncated: np.ndarray


def sample_image(seed: int, image_number: int) -> SampleImage:
    """Generate one image of the data set with this seed."""
    rng = np.random.default_rng([seed, image_number])
    height, width = SAMPLE_SIZES[rng.integers(len(SAMPLE_SIZES))]
    image = background(rng, height, width)
    light = rng.uniform(0, 2 * np.pi)  # direction of the light on the whole image
    for _ in range(rng.integers(0, 4)):
        _paste(image, _random_sprite(rng, image, distractor(rng), 180, (0.08, 0.3), light), light)
    for _ in range(rng.integers(0, 4)):
        _scribble(rng, image)
    # A few images have clutter only.
    objects = _place_objects(rng, image, light) if rng.random() > 0.06 else []
    if rng.random() < 0.3:
        _scribble(rng, image)
    boxes = np.array([box for box, _, _ in objects], np.int64).reshape(-1, 4)
    labels = np.array([label for _, label, _ in objects], np.int64)
    cut = np.array([truncated for _, _, truncated in objects], bool)
    return SampleImage(photograph(rng, image, light), boxes, labels, cut)


# Objects in the image.


def _place_objects(rng: Generator, image: np.ndarray, light: float) -> list[tuple[np.ndarray, int, bool]]:
    """Paste three to six objects; return box, label and truncated (or not) of each."""
    owner = np.full(image.shape[:2], -1, np.int64)  # index of the topmost object at each pixel
    areas: list[int] = []
    objects: list[tuple[np.ndarray, int, bool]] = []
    count = rng.integers(3, 7)
    for _ in range(4 * count):
        if len(objects) == count:
            break
        label = int(rng.integers(len(SAMPLE_CLASSES)))
        name = SAMPLE_CLASSES[label]
        span = (0.18, 0.28) if rng.random() < 0.1 else (0.28, 0.55)
        sprite = _random_sprite(rng, image, SHAPE_FUNCTIONS[name](rng), MAX_ROTATION[name], span, light)
        box, cut, area = _extent(sprite, image.shape)
        after = _covered(owner, sprite, len(objects))
        visible = np.bincount(after[after >= 0], minlength=len(objects) + 1)
        if np.all(visible >= MIN_VISIBLE * np.array([*areas, area])):
            _paste(image, sprite, light)
            owner = after
            areas.append(area)
            objects.append((box, label, cut))
    return objects


def _random_sprite(
    rng: Generator,
    image: np.ndarray,
    parts: list[Part],
    max_rotation: int,
    span: tuple[float, float],
    light: float,
) -> Sprite:
    """Return a shape as a sprite with random location, size, rotation and colours.

    span  range of the size, as fractions of the image's shorter side
    """
    height, width = image.shape[:2]
    size = 0.5 * min(height, width) * np.exp(rng.uniform(*np.log(span)))
    angle = np.radians(rng.uniform(-max_rotation, max_rotation))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.diag([rng.choice([-1, 1]), rng.uniform(0.85, 1.15)])
    x, y = rng.uniform(0.06, 0.94, 2) * (width, height)
    beneath = image[int(y), int(x)]
    line = rng.choice([0.02, 0.03, 0.04]) * size
    sprite = draw_sprite(parts, _palette(rng, beneath), size * rotation @ stretch, (x, y), line)
    shade = 1 + rng.uniform(0.05, 0.3) * gradient(len(sprite.alpha), len(sprite.alpha[0]), light)
    return sprite._replace(colour=np.minimum(sprite.colour * shade[..., None], 255 * sprite.alpha[..., None]))


def _palette(rng: Generator, beneath: np.ndarray) -> dict[str, FloatColour]:
    """Sample the colours of one object; the main colour stands out from the background."""
    main = random_rgb(rng, (0.15, 1.0), (0.3, 1.0))
    while np.abs(np.subtract(main, beneath)).sum() < 200:
        main = random_rgb(rng, (0.15, 1.0), (0.3, 1.0))
    glass = (255.0, 225.0, 140.0) if rng.random() < 0.4 else (150.0, 200.0, 230.0)
    return {
        "main": main,
        "second": random_rgb(rng, (0.2, 1.0), (0.35, 1.0)),
        "light": _mixed(main, (255, 255, 255), 0.4),
        "dark": _mixed(main, (20, 15, 20), 0.6),
        "line": _mixed(main, (10, 10, 20), 0.75),
        "glass": glass,
        "white": (245, 245, 240),
        "black": (20, 20, 25),
    }


def _mixed(colour: FloatColour, other: FloatColour, fraction: float) -> FloatColour:
    r, g, b = ((1 - fraction) * a + fraction * b for a, b in zip(colour, other, strict=True))
    return r, g, b


def _scribble(rng: Generator, image: np.ndarray) -> None:
    """Draw a random line, a loose stroke or a few letters as clutter."""
    height, width = image.shape[:2]
    ink, thickness = np.zeros((height, width), np.uint8), int(rng.integers(1, 4))
    x, y = (int(v) for v in rng.uniform(0, 0.9, 2) * (width, height))
    kind = rng.integers(3)
    if kind == 0:
        end = (int(rng.uniform(0, width)), int(rng.uniform(0, height)))
        cv2.line(ink, (x, y), end, 255, thickness, cv2.LINE_AA)
    elif kind == 1:
        stroke = np.cumsum(rng.normal(0, 14, (12, 2)), axis=0) + np.array([x, y])
        cv2.polylines(ink, [stroke.astype(np.int32)], False, 255, thickness, cv2.LINE_AA)
    else:
        word = "".join(rng.choice(list("ABCDEFGHKLMNPRSTUVXYZ2345789"), rng.integers(3, 8)))
        font = int(rng.choice([cv2.FONT_HERSHEY_SIMPLEX, cv2.FONT_HERSHEY_SCRIPT_COMPLEX]))
        cv2.putText(ink, word, (x, y), font, rng.uniform(0.4, 1.1), 255, min(thickness, 2), cv2.LINE_AA)
    alpha = ink[..., None] / np.float32(255)
    image *= 1 - alpha
    image += alpha * np.array(random_rgb(rng, (0.0, 0.8), (0.0, 1.0)), np.float32)


# Pixels.


def _clipped(sprite: Sprite, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """Return the slices of the image, and of the sprite, where the two overlap."""
    (height, width), (h, w) = shape[:2], sprite.alpha.shape
    top, left = max(sprite.top, 0), max(sprite.left, 0)
    bottom, right = max(min(sprite.top + h, height), top), max(min(sprite.left + w, width), left)
    on_image = (slice(top, bottom), slice(left, right))
    on_sprite = (
        slice(top - sprite.top, bottom - sprite.top),
        slice(left - sprite.left, right - sprite.left),
    )
    return on_image, on_sprite


def _extent(sprite: Sprite, shape: tuple[int, ...]) -> tuple[np.ndarray, bool, int]:
    """Return a sprite's box within the image, whether it is truncated, and its area in pixels."""
    drawn = sprite.alpha >= 0.5
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    inside = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    whole = inside + np.array([sprite.left, sprite.top, sprite.left, sprite.top])
    height, width = shape[:2]
    box = np.clip(whole, 0, [width, height, width, height])
    return box, bool(np.any(box != whole)), int(drawn.sum())


def _covered(owner: np.ndarray, sprite: Sprite, number: int) -> np.ndarray:
    """Return a copy of the owner map with the sprite on top as object `number`."""
    after = owner.copy()
    on_image, on_sprite = _clipped(sprite, owner.shape)
    after[on_image][sprite.alpha[on_sprite] >= 0.5] = number
    return after


def _paste(image: np.ndarray, sprite: Sprite, light: float) -> None:
    """Paste the sprite and its soft shadow on the float image, in place."""
    reach = max(2.0, 0.05 * min(sprite.alpha.shape))
    soft = np.pad(sprite.alpha, int(2 * reach))
    soft = 0.4 * cv2.GaussianBlur(soft, (0, 0), 0.6 * reach)
    left = sprite.left - int(2 * reach) - round(reach * np.cos(light))
    top = sprite.top - int(2 * reach) - round(reach * np.sin(light))
    for layer in (Sprite(np.zeros((*soft.shape, 3), np.float32), soft, left, top), sprite):
        on_image, on_sprite = _clipped(layer, image.shape)
        image[on_image] *= 1 - layer.alpha[on_sprite][..., None]
        image[on_image] += layer.colour[on_sprite]
