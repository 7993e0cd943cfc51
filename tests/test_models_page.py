"""docs/models.md lists every model, with its size and the licence of its weights."""

import re

import pytest

from nets import BACKBONES, HEADS, NECKS, ZOO
from tests.helpers import ROOT
from utils.weights.class_transfer import model_shapes
from utils.weights.pretrained import SOURCES

TEXT = (ROOT / "docs" / "models.md").read_text(encoding="utf-8")
ROWS = {
    cells[0].strip("`"): cells[1:]
    for cells in (re.split(r"\s*\|\s*", line)[1:-1] for line in TEXT.splitlines() if line.startswith("| `"))
    if len(cells) == 7
}


def test_every_model_is_there_in_the_order_of_the_zoo():
    assert [*ROWS] == [*ZOO]


@pytest.mark.parametrize("name", ROWS)
def test_size_and_licence_are_right(name):
    parameters, _, pixels, *_, licence = ROWS[name]
    shapes = model_shapes(ZOO[name], 80)
    statistics = sum(s.numel() for key, s in shapes.items() if "running" in key)
    total = sum(shape.numel() for shape in shapes.values()) - statistics
    assert float(parameters) == pytest.approx(total / 1e6, rel=0.006)
    assert int(pixels) == ZOO[name].image_size[0]
    assert licence == SOURCES[name].licence


def test_every_part_is_named():
    first_and_last = {"csp_darknet": "tiny s m l", "gelan": "s m", "pafpn": "s m l", "gelan_pan": "s m"}
    between = {f"{family}_{size}" for family, sizes in first_and_last.items() for size in sizes.split()}
    assert all(f"`{name}`" in TEXT for name in {*BACKBONES, *NECKS, *HEADS} - between)
