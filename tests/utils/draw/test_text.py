"""Text in any script lands where it was said, with its letters."""

import numpy as np
import pytest
from PIL import features

from utils.draw.text import _better_font, _found_font, missing_letters, put_text, text_size

ARABIC, HEBREW = "قطة", "חתול"


def written(text, letters=24, left=5, top=7):
    """What was drawn, on a black image with room: rows and columns that were touched."""
    image = np.zeros((80, 400, 3), np.uint8)
    put_text(image, text, left, top, letters, (255, 255, 255))
    ink = image.any(axis=2)
    return image, np.flatnonzero(ink.any(1)), np.flatnonzero(ink.any(0))


@pytest.mark.parametrize(
    "text", ["dog 0.87", "Ärger", "红绿灯", "ネコ", "고양이", "дом", ARABIC, HEBREW, "gjpqy|"]
)
def test_letters_stay_within_their_size(text):
    size = text_size(text, 24)
    _, rows, columns = written(text)
    assert rows[0] >= 7 and rows[-1] < 7 + size.height
    assert columns[0] >= 4 and columns[-1] <= 5 + size.width
    assert columns[-1] - columns[0] > 0.7 * size.width


@pytest.mark.parametrize("text", ["红绿灯", "ネコ", "고양이", "Łódź", "Ελλάδα", "Tiếng Việt"])
def test_scripts_that_need_no_other_font(text):
    assert missing_letters([text]) == "" and _better_font(text) == ""


def test_composed_and_decomposed_letters_are_the_same():
    """macOS writes a name's umlauts as two characters."""
    assert np.array_equal(written("A\u0308rger")[0], written("Ärger")[0])
    assert text_size("A\u0308rger", 20) == text_size("Ärger", 20)


def test_arabic_and_hebrew_run_from_right_to_left():
    """The first letter stands on the right: it is what the word and that letter have in common there."""
    if not _found_font(HEBREW) or not features.check("raqm"):
        pytest.skip("no font with Hebrew here, or Pillow without raqm")
    word = written(HEBREW)[0][..., 0]
    first, last = written(HEBREW[0])[0][..., 0], written(HEBREW[-1])[0][..., 0]
    right, wide = np.flatnonzero(word.any(0))[-1], 8
    end = np.flatnonzero(first.any(0))[-1]
    alike = np.abs(word[:, right - wide : right + 1].astype(int) - first[:, end - wide : end + 1]).mean()
    end = np.flatnonzero(last.any(0))[-1]
    other = np.abs(word[:, right - wide : right + 1].astype(int) - last[:, end - wide : end + 1]).mean()
    assert alike < other / 2


def test_letters_that_no_font_has_are_named():
    """U+10FFFD is for private use: no font has it."""
    assert missing_letters(["dog \U0010fffd", "\U0010fffd cat"]) == "\U0010fffd"
    assert missing_letters(["dog?"]) == ""
    assert len(written("\U0010fffd")[1]) > 0, "a question mark stands for it"


@pytest.mark.parametrize("text", ["dog", ARABIC])
@pytest.mark.parametrize("corner", [(-200, -50), (390, 70), (-10, -5)])
def test_text_beyond_the_image_is_cut(text, corner):
    written(text, 24, *corner)


def test_colours_are_those_asked_for():
    for text in ("██", ARABIC):
        image = np.zeros((60, 200, 3), np.uint8)
        put_text(image, text, 5, 5, 30, (200, 100, 50))
        assert (image.reshape(-1, 3) == (200, 100, 50)).all(axis=1).any()
