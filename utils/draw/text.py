"""Text on images, in any script: OpenCV's own font, and for what it lacks one that is found on the system.

OpenCV 5 carries a font ("uni") with Latin, Greek, Cyrillic, Chinese, Japanese and Korean, and writes a label
in 5 us. It has no Thai, Devanagari, Georgian or Armenian, and writes Hebrew and Arabic from left to right:
those are written by Pillow.
"""

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont, features

from utils.draw.palette import Colour

FONT = "uni"
FROM_RIGHT = ("R", "AL")  # Unicode's classes of letters that are written from right to left
REPLACEMENT = "?"  # what OpenCV writes in place of a letter that it lacks
SCORE_CHARACTERS = ".0123456789"  # those of scores
SAMPLE_SIZE = 20  # pixels of a letter that is tried


class TextSize(NamedTuple):
    """Pixels that a line of text takes; `rise` is from its upper edge to the base line."""

    width: int
    height: int
    rise: int


def text_size(text: str, letters: int) -> TextSize:
    """The size of a line in letters of so many pixels."""
    text = unicodedata.normalize("NFC", text)
    if (font := _font_of(text, letters)) is not None:
        ascent, descent = font.getmetrics()
        return TextSize(round(font.getlength(text)), ascent + descent, ascent)
    _, top, width, height = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(FONT), letters)
    return TextSize(width, height, -top)


def put_text(image: np.ndarray, text: str, left: int, top: int, letters: int, colour: Colour) -> None:
    """Write a line on the RGB uint8 image, in place; (left, top) is the corner of its `text_size`."""
    text = unicodedata.normalize("NFC", text)
    font = _font_of(text, letters)
    if font is None:
        at = (left, top + text_size(text, letters).rise)
        cv2.putText(image, text, at, colour, cv2.FontFace(FONT), letters)
        return
    size = text_size(text, letters)
    mask = Image.new("L", (max(1, size.width), max(1, size.height)))
    ImageDraw.Draw(mask).text((0, 0), text, 255, font)
    below, right = max(0, -top), max(0, -left)
    view = image[max(0, top) : max(0, top + size.height), max(0, left) : max(0, left + size.width)]
    share = np.asarray(mask)[below : below + len(view), right : right + view.shape[1], None] / 255
    view[:] = (view * (1 - share) + share * np.array(colour)).round().astype(np.uint8)


def missing_letters(text: str) -> str:
    """The letters that are drawn as question marks: no font that is used for the text has them."""
    font = _font_of(text, SAMPLE_SIZE)
    text = unicodedata.normalize("NFC", text)
    known = _letters_of(str(font.path)).__contains__ if font else _is_known
    return "".join(sorted({letter for letter in text if not letter.isspace() and not known(letter)}))


def _font_of(text: str, letters: int) -> ImageFont.FreeTypeFont | None:
    """The system's font for a text that OpenCV's cannot write; None where that can, or none is better."""
    if text.isascii():
        return None
    special = "".join(sorted({letter for letter in text if not letter.isascii()}))
    path = _better_font(special)
    return _open_font(path, letters) if path else None


@lru_cache(512)
def _better_font(special: str) -> str:
    """The path of a font of the system that has more of the letters than OpenCV's; "" if there is none."""
    known = sum(map(_is_known, special))
    turned = any(unicodedata.bidirectional(letter) in FROM_RIGHT for letter in special)
    if known == len(special) and not (turned and features.check("raqm")):
        return ""
    path = _found_font(special + SCORE_CHARACTERS)
    has = len(set(special) & _letters_of(path))
    return path if has > known or (turned and has == known) else ""


@lru_cache(16)
def _open_font(path: str, letters: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, letters)


@cache
def _is_known(letter: str) -> bool:
    return letter == REPLACEMENT or letter.isspace() or _drawn(letter) != _drawn(REPLACEMENT)


def _drawn(letter: str) -> bytes:
    small = np.zeros((2 * SAMPLE_SIZE, 2 * SAMPLE_SIZE), np.uint8)
    cv2.putText(small, letter, (4, SAMPLE_SIZE + 4), (255,), cv2.FontFace(FONT), SAMPLE_SIZE)
    return small.tobytes()


@lru_cache(64)
def _found_font(letters: str) -> str:
    """The path of the font that has the most of the letters, upright sans serif before others; "" if none.

    matplotlib knows where each system keeps its fonts.
    """
    from matplotlib import font_manager  # a quarter of a second, and hardly ever needed

    best, most = "", (0, False, False)
    for path in sorted(font_manager.findSystemFonts()):
        has = len(set(letters) & _letters_of(path))
        plain = not re.search("bold|italic|oblique|light|thin|cond|mono|black", Path(path).stem.lower())
        rank = (has, plain, "sans" in path.lower())
        if rank > most:
            best, most = path, rank
    return best


@lru_cache(1024)
def _letters_of(path: str) -> frozenset[str]:
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(path).get_charmap())) if path else frozenset()
    except (RuntimeError, OSError):  # a font that FreeType cannot read
        return frozenset()
