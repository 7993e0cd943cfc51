"""The scene of a sample image: background, light, blur and noise."""

import colorsys

import cv2
import numpy as np
from numpy.random import Generator

from utils.data.types import Image

FloatColour = tuple[float, float, float]


def gradient(height: int, width: int, angle: float) -> np.ndarray:
    """Return a linear gradient, float32 [height, width] from -1 to 1, rising towards `angle`."""
    x, y = np.linspace(-1, 1, width, dtype=np.float32), np.linspace(-1, 1, height, dtype=np.float32)
    plane = x[None] * np.float32(np.cos(angle)) + y[:, None] * np.float32(np.sin(angle))
    return plane / np.abs(plane).max()


def _noise(rng: Generator, height: int, width: int, cells: tuple[int, int]) -> np.ndarray:
    """Return smooth noise, float32 [height, width] from 0 to 1: a random grid of `cells`, interpolated."""
    return cv2.resize(rng.random(cells, np.float32), (width, height), interpolation=cv2.INTER_LINEAR)


def background(rng: Generator, height: int, width: int) -> np.ndarray:
    """Return a random surface in two muted colours, float32 [height, width, 3] from 0 to 255."""
    first, second = (np.array(random_rgb(rng, (0.05, 0.5), (0.35, 0.95)), np.float32) for _ in range(2))
    second = 0.5 * first + 0.5 * second
    surfaces = [_even, _clouds, _planks, _tiles, _cloth, _landscape]
    blend = surfaces[rng.integers(len(surfaces))](rng, height, width)[..., None]
    return np.ascontiguousarray((1 - blend) * first + blend * second)


def _even(rng: Generator, height: int, width: int) -> np.ndarray:
    return 0.5 + 0.5 * gradient(height, width, rng.uniform(0, 2 * np.pi))


def _clouds(rng: Generator, height: int, width: int) -> np.ndarray:
    octaves = [_noise(rng, height, width, (3 * 2**k, 4 * 2**k)) / 2**k for k in range(5)]
    return np.clip(1.6 * (sum(octaves) / 1.94 - 0.5) + 0.5, 0, 1).astype(np.float32)


def _planks(rng: Generator, height: int, width: int) -> np.ndarray:
    boards = int(rng.integers(3, 7))
    grain = 0.5 * _noise(rng, height, width, (height // 3, 3)) + 0.2 * _noise(rng, height, width, (8, 8))
    row = np.arange(height) * boards // height
    return grain + 0.3 * rng.random(boards, np.float32)[row][:, None] + _seams(height, boards)[:, None]


def _tiles(rng: Generator, height: int, width: int) -> np.ndarray:
    down, across = int(rng.integers(4, 10)), int(rng.integers(3, 8))
    tone = rng.random((down, across), np.float32)
    row, column = np.arange(height) * down // height, np.arange(width) * across // width
    seams = np.maximum(_seams(height, down)[:, None], _seams(width, across)[None])
    return 0.5 * tone[row][:, column] + 0.2 * _noise(rng, height, width, (40, 60)) + seams


def _seams(length: int, pieces: int) -> np.ndarray:
    """Return float32 [length]: 0.5 at the joints between equal pieces, 0 elsewhere."""
    return np.where(np.arange(length) * pieces % length < 2 * pieces, 0.5, 0).astype(np.float32)


def _cloth(rng: Generator, height: int, width: int) -> np.ndarray:
    angle, stripes = rng.uniform(0, np.pi), rng.uniform(6, 22)
    along, across = gradient(height, width, angle), gradient(height, width, angle + np.pi / 2)
    waves = np.sin(stripes * along) + rng.choice([0.0, 1.0]) * np.sin(stripes * across)
    return np.clip(0.5 + 0.35 * waves, 0, 1) * 0.8 + 0.2 * _noise(
        rng, height, width, (height // 2, width // 2)
    )


def _landscape(rng: Generator, height: int, width: int) -> np.ndarray:
    ground = 0.3 * (0.5 + 0.5 * gradient(height, width, np.pi / 2))
    x, y = np.linspace(0, 1, width), np.linspace(0, 1, height)[:, None]
    for level, tone in ((0.45, 0.55), (0.65, 0.9)):
        hills = level + 0.08 * np.sin(rng.uniform(3, 9) * x + rng.uniform(0, 6)) + rng.uniform(-0.1, 0.1)
        ground = np.where(y > hills, tone + 0.1 * _noise(rng, height, width, (50, 60)), ground)
    return ground.astype(np.float32)


def photograph(rng: Generator, image: np.ndarray, light: float) -> Image:
    """Return the float image with light, blur and noise applied, as uint8."""
    height, width = image.shape[:2]
    exposure = rng.uniform(0.75, 1.2) * (1 + rng.uniform(0, 0.3) * gradient(height, width, light))
    across, down = gradient(height, width, 0), gradient(height, width, np.pi / 2)
    exposure *= 1 - rng.uniform(0, 0.15) * (across**2 + down**2)
    image = image * exposure[..., None].astype(np.float32)
    if rng.random() < 0.5:
        image = cv2.GaussianBlur(image, (0, 0), rng.uniform(0.4, 0.8))
    image += rng.uniform(0.5, 6) * rng.standard_normal(image.shape, np.float32)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def random_rgb(rng: Generator, saturation: tuple[float, float], value: tuple[float, float]) -> FloatColour:
    """Sample a colour of any hue, with HSV saturation and value in these ranges; RGB from 0 to 255."""
    r, g, b = colorsys.hsv_to_rgb(rng.random(), rng.uniform(*saturation), rng.uniform(*value))
    return 255 * r, 255 * g, 255 * b
