"""The shapes of the objects in the sample images.

A shape is a list of parts, back to front. A part is a filled outline, float [K, 2], x to the right and y
down, about -1 to 1 on both axes. A shape function returns a random shape of its class; `draw_sprite` renders
it.
"""

from typing import NamedTuple

import numpy as np
from numpy.random import Generator


class Part(NamedTuple):
    """A filled outline. `paint` is a colour of the object's palette, or "hole" to cut the outline out."""

    outline: np.ndarray
    paint: str


def polygon(*points: tuple[float, float]) -> np.ndarray:
    """Return the polygon with these corners."""
    return np.array(points, np.float64)


def box(left: float, top: float, right: float, bottom: float) -> np.ndarray:
    """Return an axis-aligned rectangle."""
    return polygon((left, top), (right, top), (right, bottom), (left, bottom))


def arc(x: float, y: float, rx: float, ry: float, start: float = 0, end: float = 360) -> np.ndarray:
    """Return an elliptic arc around (x, y) from `start` to `end` degrees, clockwise from the right."""
    angles = np.radians(np.linspace(start, end, 40))
    return np.stack([x + rx * np.cos(angles), y + ry * np.sin(angles)], 1)


def band(x: float, y: float, r: float, width: float, start: float, end: float) -> np.ndarray:
    """Return a segment of a ring of outer radius `r`, from `start` to `end` degrees."""
    return np.concatenate([arc(x, y, r, r, start, end), arc(x, y, r - width, r - width, end, start)])


def rounded(points: np.ndarray, rounds: int = 3) -> np.ndarray:
    """Return a closed outline smoothed by repeated corner cutting (Chaikin)."""
    for _ in range(rounds):
        following = np.roll(points, -1, axis=0)
        cut = [0.75 * points + 0.25 * following, 0.25 * points + 0.75 * following]
        points = np.stack(cut, 1).reshape(-1, 2)
    return points


def cup(rng: Generator) -> list[Part]:
    """Return a mug or a tea cup: a tapering body, an open rim seen from above, a handle."""
    top, foot, height = rng.uniform(0.5, 0.65), rng.uniform(0.3, 0.55), rng.uniform(0.5, 0.75)
    rim, size = rng.uniform(0.1, 0.2), rng.uniform(0.34, 0.44)
    wall = np.concatenate([arc(0, height, foot, 0.6 * rim, 0, 180), polygon((-top, -height), (top, -height))])
    if rng.random() < 0.4:  # a bowl instead of straight walls
        wall = arc(0, -height, top, 1.9 * height, 0, 180)
    x = top - 0.1
    parts = [
        Part(arc(x, -0.15, size, size, 0, 360), "main"),
        Part(arc(x, -0.15, size - 0.15, size - 0.15, 0, 360), "hole"),
        Part(wall, "main"),
    ]
    if rng.random() < 0.5:
        y, half = rng.uniform(-0.25, 0.1), rng.uniform(0.06, 0.14)
        edge = 0.8 * min(top, foot + 0.1)
        parts.append(Part(box(-edge, y - half, edge, y + half), "second"))
    parts.append(Part(arc(0, -height, top, rim), "light"))
    parts.append(Part(arc(0, -height + 0.02, top - 0.07, rim - 0.05), "dark"))
    return parts


def fish(rng: Generator) -> list[Part]:
    """Return a fish from the side: body, forked tail, fins, gill, eye, perhaps stripes."""
    deep, tail = rng.uniform(0.34, 0.55), rng.uniform(0.3, 0.5)
    upper = polygon((0.95, 0.0), (0.6, -0.8 * deep), (0.0, -1.15 * deep), (-0.5, -0.35 * deep))
    lower = upper[::-1] * (1, -1)
    body = rounded(np.concatenate([upper, lower[:-1]]))
    fork = polygon((-0.42, 0.0), (-1.0, -tail), (-0.82, 0.0), (-1.0, tail))
    sweep = rng.uniform(-0.45, -0.1)
    fin = polygon((0.4, -0.6 * deep), (sweep, -1.1 * deep - 0.22), (-0.3, -0.5 * deep))
    belly = polygon((0.2, 0.6 * deep), (-0.2, 0.95 * deep + 0.15), (-0.15, 0.6 * deep))
    parts = [Part(fork, "second"), Part(fin, "second"), Part(belly, "second"), Part(body, "main")]
    if rng.random() < 0.5:
        parts += [Part(band(x - 0.5, 0, 0.55, 0.09, -38, 38), "light") for x in (0.05, 0.28)]
    parts.append(Part(band(0.0, 0, 0.56, 0.05, -40, 40), "dark"))
    parts.append(Part(polygon((0.3, 0.05), (-0.05, 0.22), (0.0, -0.02)), "second"))
    parts += [Part(arc(0.66, -0.1, 0.11, 0.11), "white"), Part(arc(0.68, -0.1, 0.06, 0.06), "black")]
    return parts


def house(rng: Generator) -> list[Part]:
    """Return a house: a wall, a gabled or hipped roof, a chimney, a door and windows with bars."""
    wide, eaves, floor = rng.uniform(0.55, 0.85), rng.uniform(-0.25, 0.05), rng.uniform(0.6, 0.85)
    ridge = rng.choice([0.0, 0.45]) * wide
    over, peak = wide + 0.13, eaves - rng.uniform(0.5, 0.75)
    side = rng.choice([-1, 1])
    chimney = np.sort(side * (wide * 0.45 + np.array([0.0, 0.2])))
    parts = [
        Part(box(chimney[0], peak + 0.02, chimney[1], eaves), "dark"),
        Part(box(-wide, eaves, wide, floor), "main"),
        Part(polygon((-over, eaves), (-ridge, peak), (ridge, peak), (over, eaves)), "second"),
    ]
    door = -side * wide * 0.45
    parts.append(Part(box(door - 0.14, floor - 0.48, door + 0.14, floor), "dark"))
    parts.append(Part(arc(door + 0.08, floor - 0.22, 0.025, 0.025), "light"))
    for x in [0.42 * side * wide, *([0.0] if wide > 0.75 else [])]:
        parts += _window(x, 0.5 * (eaves + floor) - 0.05, 0.15 if wide > 0.75 else 0.2)
    return parts


def _window(x: float, y: float, half: float) -> list[Part]:
    bar = 0.03
    return [
        Part(box(x - half, y - half, x + half, y + half), "glass"),
        Part(box(x - bar, y - half, x + bar, y + half), "white"),
        Part(box(x - half, y - bar, x + half, y + bar), "white"),
    ]


def key(rng: Generator) -> list[Part]:
    """Return a key: a bow with a hole, a collar, a shaft, and a bit of two or three teeth."""
    bow, shaft = rng.uniform(0.34, 0.42), rng.uniform(0.075, 0.11)
    centre, hole = -1.0 + bow, rng.uniform(0.5, 0.62) * bow
    style = rng.integers(3)
    if style == 0:
        head = [Part(arc(centre, 0, bow, bow), "main")]
    elif style == 1:  # a square bow with round corners
        head = [Part(rounded(1.1 * box(-bow, -bow, bow, bow)) + np.array([centre, 0]), "main")]
    else:  # three leaves
        leaves = [(-0.35, 0.0), (0.15, -0.5), (0.15, 0.5)]
        head = [Part(arc(centre + x * bow, y * bow, 0.62 * bow, 0.62 * bow), "main") for x, y in leaves]
        hole *= 0.75
    parts = [*head, Part(arc(centre, 0, hole, hole), "hole")]
    parts.append(Part(box(centre + 0.9 * bow, -shaft, 0.95, shaft), "main"))
    x = 0.95
    for _ in range(rng.integers(2, 4)):
        width, depth = rng.uniform(0.12, 0.17), rng.uniform(0.22, 0.36)
        parts.append(Part(box(x - width, 0, x, shaft + depth), "main"))
        x -= width + rng.uniform(0.06, 0.1)
    collar = centre + bow + 0.04
    parts.append(Part(box(collar, -shaft - 0.07, collar + 0.1, shaft + 0.07), "second"))
    return parts


def tree(rng: Generator) -> list[Part]:
    """Return a fir or a leafy tree, perhaps with fruit, on a trunk that widens at the foot."""
    trunk = rng.uniform(0.08, 0.14)
    stem = polygon((-trunk, 0.0), (trunk, 0.0), (1.2 * trunk, 0.75), (2.2 * trunk, 0.95))
    parts = [Part(np.concatenate([stem, stem[::-1] * (-1, 1)])[[0, 1, 2, 3, 4, 5]], "second")]
    if rng.random() < 0.5:
        wide = rng.uniform(0.5, 0.7)
        for width, top, bottom in [(1.0, -0.35, 0.5), (0.8, -0.7, 0.1), (0.58, -1.0, -0.3)]:
            tier = polygon((0, top), (width * wide, bottom), (0, bottom + 0.1), (-width * wide, bottom))
            parts.append(Part(tier, "main"))
            parts.append(Part(polygon((0, top), (0, bottom + 0.1), (-width * wide, bottom)), "light"))
        return parts
    angles = np.linspace(0, 2 * np.pi, rng.integers(6, 9), endpoint=False) + rng.uniform(0, 1)
    ring = np.stack([0.42 * np.cos(angles), 0.36 * np.sin(angles) - 0.35], 1)
    parts += [Part(arc(x, y, 0.28, 0.27), "main") for x, y in ring] + [Part(arc(0, -0.35, 0.45, 0.4), "main")]
    parts += [Part(arc(x - 0.05, y - 0.05, 0.13, 0.1), "light") for x, y in ring[::2]]
    if rng.random() < 0.4:
        parts += [Part(arc(x + 0.1, y, 0.07, 0.07), "second") for x, y in ring * 0.75]
    return parts


SHAPE_FUNCTIONS = {"cup": cup, "fish": fish, "house": house, "key": key, "tree": tree}


def distractor(rng: Generator) -> list[Part]:
    """Return a random shape of no class; some resemble parts of the classes' shapes."""
    star = np.arange(10) * np.pi / 5
    spikes = np.where(np.arange(10) % 2, 0.42, 1.0)
    tip = [(-0.9, -0.15), (0.2, -0.15), (0.2, -0.5), (0.9, 0.0)]
    figures = [
        [Part(np.stack([spikes * np.sin(star), -spikes * np.cos(star)], 1), "main")],
        [Part(arc(0, 0, 0.8, 0.8), "main"), Part(arc(0, 0, 0.45, 0.45), "hole")],  # like a key's bow
        [Part(polygon((-0.8, 0.4), (0, -0.5), (0.8, 0.4)), "main")],  # like a roof
        [Part(polygon((-0.6, -0.7), (0.6, -0.7), (0.4, 0.7), (-0.4, 0.7)), "main")],  # like a cup's body
        [Part(np.concatenate([arc(0, 0, 0.8, 0.8, 60, 300), arc(0.25, 0, 0.71, 0.71, 282, 78)]), "main")],
        [Part(arc(0, 0, 0.9, 0.5), "main"), Part(arc(0, 0, 0.6, 0.3), "second")],  # like a fish's body
        [Part(box(-0.25, -0.9, 0.25, 0.9), "main"), Part(box(-0.9, -0.25, 0.9, 0.25), "main")],
        [Part(box(-0.9, -0.5, 0.9, 0.5), "main"), Part(box(-0.7, -0.3, 0.7, 0.3), "second")],
        [Part(polygon(*tip, *[(x, -y) for x, y in tip[::-1]]), "main")],  # an arrow
    ]
    return figures[rng.integers(len(figures))]
