"""Text on images, in any script: OpenCV's own font, or a system font for scripts that OpenCV lacks.

OpenCV 5 has a font ("uni") with Latin, Greek, Cyrillic, Chinese, Japanese and Korean, and draws a label in
5 us. It lacks Thai, Devanagari, Georgian and Armenian, and draws Hebrew and Arabic from left to right; Pillow
draws these scripts.
"""

import re
import unicodedata
from collections.abc import Iterable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import PIL.features
import PIL.Image
import PIL.ImageDraw
import PIL.ImageFont

from utils.data.types import Image
from utils.draw.palette import Colour

FONT = "uni"
RIGHT_TO_LEFT = ("R", "AL")  # Unicode's bidirectional classes
REPLACEMENT = "?"  # drawn by OpenCV for a letter that its font lacks
SCORE_CHARACTERS = ".0123456789"  # characters of scores
SAMPLE_SIZE = 20  # text height in pixels for testing whether a letter can be drawn


class TextSize(NamedTuple):
    """The size of a line of text in pixels; `ascent` is the distance from the top to the baseline."""

    width: int
    height: int
    ascent: int


def text_size(text: str, text_height: int) -> TextSize:
    """Return the size of a line of text with letters of height `text_height`, in pixels."""
    text = unicodedata.normalize("NFC", text)
    if (font := _font_of(text, text_height)) is not None:
        ascent, descent = font.getmetrics()
        return TextSize(round(font.getlength(text)), ascent + descent, ascent)
    _, top, width, height = cv2.getTextSize((0, 0), text, (0, 0), cv2.FontFace(FONT), text_height)
    return TextSize(width, height, -top)


def put_text(image: Image, text: str, left: int, top: int, text_height: int, colour: Colour) -> None:
    """Draw a line of text on the image, in place, with its top left corner at (left, top)."""
    text = unicodedata.normalize("NFC", text)
    font = _font_of(text, text_height)
    if font is None:
        at = (left, top + text_size(text, text_height).ascent)
        cv2.putText(image, text, at, colour, cv2.FontFace(FONT), text_height)
        return
    size = text_size(text, text_height)
    mask = PIL.Image.new("L", (max(1, size.width), max(1, size.height)))
    PIL.ImageDraw.Draw(mask).text((0, 0), text, 255, font)
    below, right = max(0, -top), max(0, -left)
    view = image[max(0, top) : max(0, top + size.height), max(0, left) : max(0, left + size.width)]
    alpha = np.asarray(mask)[below : below + len(view), right : right + view.shape[1], None] / 255
    view[:] = (view * (1 - alpha) + alpha * np.array(colour)).round().astype(np.uint8)


def label_sizes(texts: Sequence[str], text_height: int) -> np.ndarray:
    """Return width and height in pixels of the label of each text: the text with padding, int [N, 2]."""
    pad = _label_padding(text_height)
    sizes = [text_size(text, text_height) for text in texts]
    padded = [(size.width + 2 * pad, size.height + pad) for size in sizes]
    return np.array(padded, int).reshape(-1, 2)


def put_labels(
    image: Image,
    texts: Sequence[str],
    text_height: int,
    corners: np.ndarray,
    sizes: np.ndarray,
    fills: Sequence[Colour],
    colours: Sequence[Colour],
) -> None:
    """Draw labels, each a line of text on a filled rectangle, on the image, in place; the first on top.

    corners  int [N, 2], left and top of each label
    sizes    int [N, 2], see `label_sizes`
    fills    colours of the rectangles
    colours  colours of the texts
    """
    pad = _label_padding(text_height)
    rectangles = np.concatenate([corners, corners + sizes - 1], axis=1).tolist()
    labels = list(zip(texts, rectangles, fills, colours, strict=True))
    for text, (left, top, right, bottom), fill, colour in reversed(labels):
        cv2.rectangle(image, (left, top), (right, bottom), fill, cv2.FILLED)
        put_text(image, text, left + pad, top + pad // 2, text_height, colour)


def missing_letters(texts: Iterable[str]) -> str:
    """Return the letters that are missing in the fonts for the texts, and drawn as question marks."""
    missing: set[str] = set()
    for text in texts:
        font = _font_of(text, SAMPLE_SIZE)
        known = _letters_of(str(font.path)).__contains__ if font else _is_known
        letters = {*unicodedata.normalize("NFC", text)}
        missing |= {letter for letter in letters if not letter.isspace() and not known(letter)}
    return "".join(sorted(missing))


def _label_padding(text_height: int) -> int:
    """Return the pixels to the left and to the right of a label's text, and above and below together."""
    return max(2, text_height // 5)


def _font_of(text: str, text_height: int) -> PIL.ImageFont.FreeTypeFont | None:
    """Return a system font for text that OpenCV cannot draw; None if it can, or no font is better."""
    if text.isascii():
        return None
    special = "".join(sorted({letter for letter in text if not letter.isascii()}))
    path = _better_font(special)
    return _open_font(path, text_height) if path else None


@lru_cache(512)
def _better_font(special: str) -> str:
    """Return the path of a system font with more of the letters than OpenCV's font; "" if none."""
    known = sum(map(_is_known, special))
    right_to_left = any(unicodedata.bidirectional(letter) in RIGHT_TO_LEFT for letter in special)
    if known == len(special) and not (right_to_left and PIL.features.check("raqm")):
        return ""
    path = _found_font(special + SCORE_CHARACTERS)
    has = len(set(special) & _letters_of(path))
    return path if has > known or (right_to_left and has == known) else ""


@lru_cache(16)
def _open_font(path: str, text_height: int) -> PIL.ImageFont.FreeTypeFont:
    return PIL.ImageFont.truetype(path, text_height)


@cache
def _is_known(letter: str) -> bool:
    return letter == REPLACEMENT or letter.isspace() or _drawn(letter) != _drawn(REPLACEMENT)


def _drawn(letter: str) -> bytes:
    small = np.zeros((2 * SAMPLE_SIZE, 2 * SAMPLE_SIZE), np.uint8)
    cv2.putText(small, letter, (4, SAMPLE_SIZE + 4), (255,), cv2.FontFace(FONT), SAMPLE_SIZE)
    return small.tobytes()


@lru_cache(64)
def _found_font(letters: str) -> str:
    """Return the path of the font that has the most of these letters, preferably upright sans serif.

    "" if there is no font. matplotlib finds the font folders on each system.
    """
    from matplotlib import font_manager  # takes 0.25 s, and is rarely needed

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
