"""Shapes drawn as pixels."""

import numpy as np

from utils.sample.shapes import Part, box
from utils.sample.sprite import draw_sprite

PALETTE = dict.fromkeys(
    ["main", "second", "light", "dark", "line", "glass", "white", "black"], (9.0, 99.0, 200.0)
)


def test_a_hole_is_cut_out():
    parts = [Part(box(-1, -1, 1, 1), "main"), Part(box(-0.5, -0.5, 0.5, 0.5), "hole")]
    sprite = draw_sprite(parts, PALETTE, 20 * np.eye(2), (0, 0))
    assert sprite.alpha[-sprite.top, -sprite.left] == 0
    assert sprite.alpha[-sprite.top, -sprite.left + 15] == 1
