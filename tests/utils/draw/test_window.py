"""Windows: what is said where there is no display to open one on."""

import sys

import pytest

from utils.draw.window import require_display


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is always a display")
@pytest.mark.parametrize("display", [None, ":99"])
def test_no_display_is_told_instead_of_ending_the_program(monkeypatch, display):
    """Neither one in the environment nor one that answers: Qt aborts the process that tries."""
    monkeypatch.delenv("WAYLAND_DISPLAY", raising=False)
    monkeypatch.delenv("DISPLAY", raising=False)
    if display:
        monkeypatch.setenv("DISPLAY", display)
    with pytest.raises(ValueError, match="--show needs a display: leave it out"):
        require_display()


def test_a_display_is_taken(monkeypatch):
    monkeypatch.setattr("utils.draw.window.OPEN_WINDOW", "pass")
    require_display()
