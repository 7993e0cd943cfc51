"""The summary as text."""

import pytest
import torch

from nets import preset
from nets.inspect.summary import summarise
from utils.models import summary as model_summary
from utils.models.summary import full_summary, short_summary

TINY = preset("yolov4_tiny")


def test_figures_are_those_that_are_published():
    text = short_summary(TINY, 80, (416, 416))
    assert text.startswith("yolov4_tiny for 80 classes, one image of 416 x 416:\n")
    rows = {line.split()[0]: line.split() for line in text.splitlines()[2:6]}
    assert list(rows) == ["backbone", "neck", "head", "all"]
    assert rows["all"] == ["all", "25", "6.06", "M", "6.93", "77", "MB"]
    assert text.endswith("cells: 16 (26 x 26), 32 (13 x 13)")


def test_the_long_form_names_the_parts_and_what_each_level_sees():
    text = full_summary(TINY, 20, (320, 416))
    assert "backbone csp_darknet53_tiny, neck tiny_fpn, head anchors_v4_tiny" in text
    rows = [line.split("  ") for line in text.splitlines() if line.startswith(("1 ", "2 "))]
    cells = [[cell.strip() for cell in row if cell.strip()] for row in rows]
    assert cells == [["1", "16", "20 x 26", "299 x 299"], ["2", "32", "10 x 13", "331 x 331"]]
    assert "GFLOPs" in text and "float32" in text


@pytest.mark.parametrize(
    ("fields", "shown"), [((None, (9, 7)), ["the whole image", "9 x 7"]), (None, ["not known"] * 2)]
)
def test_what_a_level_sees_may_be_all_or_not_known(monkeypatch, fields, shown):
    def found(detector):
        if fields is None:
            raise KeyError("a foreign network")
        return fields

    monkeypatch.setattr(model_summary, "receptive_fields", found)
    lines = [line for line in full_summary(TINY, 2, (64, 64)).splitlines() if line.startswith(("1 ", "2 "))]
    assert all(line.endswith(text) for line, text in zip(lines, shown, strict=True))


def test_a_network_that_needs_numbers_gets_them(monkeypatch):
    """As one that chooses boxes by their scores; and the random numbers of the run are not touched."""
    expected = short_summary(TINY, 2, (64, 64))

    def needing_numbers(detector, image_size):
        next(detector.parameters()).sum().item()
        return summarise(detector, image_size)

    monkeypatch.setattr(model_summary, "summarise", needing_numbers)
    state = torch.get_rng_state()
    assert short_summary(TINY, 2, (64, 64)) == expected
    assert torch.equal(state, torch.get_rng_state())
