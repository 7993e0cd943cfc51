"""The sample data set: images of drawn cups, fish, houses, keys and trees.

It lets `train.py` run from start to finish where no data is given. Colour says nothing about the class;
things are turned, scaled, shaded, partly hidden and cut by the border, among clutter and under uneven light.
Boxes are the extent of each thing's own drawn pixels, so they are exact.
"""

from typing import NamedTuple

import cv2
import numpy as np
from numpy.random import Generator

from utils.sample.scene import FloatColour, any_colour, background, photograph, slope
from utils.sample.shapes import SHAPES, Part, Sprite, distractor, draw_sprite

SAMPLE_CLASSES = tuple(SHAPES)
SPLITS = {"train": 320, "val": 40, "test": 80}  # images of each
SIZES = [(256, 320), (320, 256), (300, 360), (360, 300), (320, 320)]  # height, width
LEAST_VISIBLE = 0.85  # of a thing's own area, after what lies over it and the border have hidden the rest
UPRIGHT = {"cup": 15, "fish": 15, "house": 10, "key": 20, "tree": 10}  # most degrees it is turned either way


class SampleImage(NamedTuple):
    """One sample image and what is on it.

    image      uint8 RGB [H, W, 3]
    boxes      int64 [N, 4], xyxy pixels: right and bottom are one past the last drawn pixel
    labels     int64 [N], into SAMPLE_CLASSES
    truncated  bool [N], cut by the border of the image
    """

    image: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray
    truncated: np.ndarray


def sample_image(seed: int, number: int) -> SampleImage:
    """Draw image number `number` of the data set of this seed."""
    rng = np.random.default_rng([seed, number])
    height, width = SIZES[rng.integers(len(SIZES))]
    image = background(rng, height, width)
    light = rng.uniform(0, 2 * np.pi)  # where the light of the whole image comes from
    for _ in range(rng.integers(0, 4)):
        _paste(image, _figure(rng, image, distractor(rng), 180, (0.08, 0.3), light), light)
    for _ in range(rng.integers(0, 4)):
        _scribble(rng, image)
    things = _place_things(rng, image, light) if rng.random() > 0.06 else []  # a few have clutter alone
    if rng.random() < 0.3:
        _scribble(rng, image)
    boxes = np.array([box for box, _, _ in things], np.int64).reshape(-1, 4)
    labels = np.array([label for _, label, _ in things], np.int64)
    truncated = np.array([cut for _, _, cut in things], bool)
    return SampleImage(photograph(rng, image, light), boxes, labels, truncated)


# What lies on the image.


def _place_things(rng: Generator, image: np.ndarray, light: float) -> list[tuple[np.ndarray, int, bool]]:
    """Draw three to six things on the image; give box, label and whether the border cuts it for each."""
    owner = np.full(image.shape[:2], -1, np.int64)  # which thing is on top at each pixel
    areas: list[int] = []
    things: list[tuple[np.ndarray, int, bool]] = []
    wanted = rng.integers(3, 7)
    for _ in range(4 * wanted):
        if len(things) == wanted:
            break
        label = int(rng.integers(len(SAMPLE_CLASSES)))
        name = SAMPLE_CLASSES[label]
        span = (0.18, 0.28) if rng.random() < 0.1 else (0.28, 0.55)
        sprite = _figure(rng, image, SHAPES[name](rng), UPRIGHT[name], span, light)
        box, cut, area = _extent(sprite, image.shape)
        after = _covered(owner, sprite, len(things))
        visible = np.bincount(after[after >= 0], minlength=len(things) + 1)
        if np.all(visible >= LEAST_VISIBLE * np.array([*areas, area])):
            _paste(image, sprite, light)
            owner = after
            areas.append(area)
            things.append((box, label, cut))
    return things


def _figure(
    rng: Generator, image: np.ndarray, parts: list[Part], turn: int, span: tuple[float, float], light: float
) -> Sprite:
    """A thing somewhere on the image, of random size, attitude and colours; `span` is its size relative to
    the image's shorter side."""
    height, width = image.shape[:2]
    size = 0.5 * min(height, width) * np.exp(rng.uniform(*np.log(span)))
    angle = np.radians(rng.uniform(-turn, turn))
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    stretch = np.diag([rng.choice([-1, 1]), rng.uniform(0.85, 1.15)])
    x, y = rng.uniform(0.06, 0.94, 2) * (width, height)
    beneath = image[int(y), int(x)]
    line = rng.choice([0.02, 0.03, 0.04]) * size
    sprite = draw_sprite(parts, _palette(rng, beneath), size * rotation @ stretch, (x, y), line)
    shade = 1 + rng.uniform(0.05, 0.3) * slope(len(sprite.alpha), len(sprite.alpha[0]), light)
    return sprite._replace(colour=np.minimum(sprite.colour * shade[..., None], 255 * sprite.alpha[..., None]))


def _palette(rng: Generator, beneath: np.ndarray) -> dict[str, FloatColour]:
    """Colours of one thing: any, but the main one stands out from what lies beneath it."""
    main = any_colour(rng, (0.15, 1.0), (0.3, 1.0))
    while np.abs(np.subtract(main, beneath)).sum() < 200:
        main = any_colour(rng, (0.15, 1.0), (0.3, 1.0))
    glass = (255.0, 225.0, 140.0) if rng.random() < 0.4 else (150.0, 200.0, 230.0)
    return {
        "main": main,
        "second": any_colour(rng, (0.2, 1.0), (0.35, 1.0)),
        "light": _mixed(main, (255, 255, 255), 0.4),
        "dark": _mixed(main, (20, 15, 20), 0.6),
        "line": _mixed(main, (10, 10, 20), 0.75),
        "glass": glass,
        "white": (245, 245, 240),
        "black": (20, 20, 25),
    }


def _mixed(colour: FloatColour, other: FloatColour, share: float) -> FloatColour:
    r, g, b = ((1 - share) * a + share * b for a, b in zip(colour, other, strict=True))
    return r, g, b


def _scribble(rng: Generator, image: np.ndarray) -> None:
    """A line, a loose stroke or a few letters."""
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
    share = ink[..., None] / np.float32(255)
    image *= 1 - share
    image += share * np.array(any_colour(rng, (0.0, 0.8), (0.0, 1.0)), np.float32)


# Pixels.


def _clipped(sprite: Sprite, shape: tuple[int, ...]) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    """The part of the sprite within the image: where on the image, and where on the sprite."""
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
    """Box of the drawn pixels within the image, whether some lie outside, and how many there are in all."""
    drawn = sprite.alpha >= 0.5
    rows, columns = np.flatnonzero(drawn.any(1)), np.flatnonzero(drawn.any(0))
    inside = np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1])
    whole = inside + np.array([sprite.left, sprite.top, sprite.left, sprite.top])
    height, width = shape[:2]
    box = np.clip(whole, 0, [width, height, width, height])
    return box, bool(np.any(box != whole)), int(drawn.sum())


def _covered(owner: np.ndarray, sprite: Sprite, number: int) -> np.ndarray:
    """The map of owners after the sprite has been laid on top as thing `number`."""
    after = owner.copy()
    on_image, on_sprite = _clipped(sprite, owner.shape)
    after[on_image][sprite.alpha[on_sprite] >= 0.5] = number
    return after


def _paste(image: np.ndarray, sprite: Sprite, light: float) -> None:
    """Lay the sprite on the float image, over its own soft shadow."""
    reach = max(2.0, 0.05 * min(sprite.alpha.shape))
    soft = np.pad(sprite.alpha, int(2 * reach))
    soft = 0.4 * cv2.GaussianBlur(soft, (0, 0), 0.6 * reach)
    left = sprite.left - int(2 * reach) - round(reach * np.cos(light))
    top = sprite.top - int(2 * reach) - round(reach * np.sin(light))
    for layer in (Sprite(np.zeros((*soft.shape, 3), np.float32), soft, left, top), sprite):
        on_image, on_sprite = _clipped(layer, image.shape)
        image[on_image] *= 1 - layer.alpha[on_sprite][..., None]
        image[on_image] += layer.colour[on_sprite]
