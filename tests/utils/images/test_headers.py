"""The sizes of images from their headers, and the refusal of images that claim to be huge."""

import io
import zlib

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.images import image_io as image_module
from utils.images.headers import MAX_IMAGE_PIXELS, jpeg_size, refuse_bomb
from utils.images.image_io import ImageError, decode_image, read_image


def refuse(data: bytes) -> None:
    """Refuse the bytes of a file."""
    refuse_bomb(np.frombuffer(data, np.uint8))


def encoded(format_name, size=(32, 24), **options):
    file = io.BytesIO()
    Image.new("RGB", size, (200, 10, 30)).save(file, format_name, **options)
    return file.getvalue()


def png(width, height):
    """A PNG with this size in its header, checksum included, and the data of another."""
    header = b"IHDR" + width.to_bytes(4, "big") + height.to_bytes(4, "big") + b"\x08\x02\0\0\0"
    return encoded("PNG")[:12] + header + zlib.crc32(header).to_bytes(4, "big") + encoded("PNG")[33:]


def jpeg(width, height, between=b"", **options):
    """A JPEG with this size in its frame header; `between` stands before it."""
    data = encoded("JPEG", **options)
    frame = data.find(b"\xff\xc2" if options.get("progressive") else b"\xff\xc0")
    size = height.to_bytes(2, "big") + width.to_bytes(2, "big")
    return data[:frame] + between + data[frame : frame + 5] + size + data[frame + 9 :]


def bmp(width, height):
    data = encoded("BMP")
    return data[:18] + width.to_bytes(4, "little") + height.to_bytes(4, "little") + data[26:]


BOMBS = {
    "png": png(60000, 60000),
    "png of one row": png(200_000_000, 1),
    "jpeg": jpeg(60000, 60000),
    "progressive jpeg": jpeg(60000, 60000, progressive=True),
    "jpeg with padding": jpeg(60000, 60000, b"\xff\xff\xff"),
    "jpeg with rubbish": jpeg(60000, 60000, b"rubbish\xff\x00\xff\xd0"),
    "jpeg with another image in a segment": jpeg(
        60000, 60000, b"\xff\xe1\x00\x0b\xff\xc0\x00\x11\x08\x00\x01\x00\x01"
    ),
    "bmp": bmp(60000, 60000),
    "gif": encoded("GIF")[:6] + b"\xff\xff\xff\xff" + encoded("GIF")[10:],
}


@pytest.mark.parametrize("content", BOMBS.values(), ids=BOMBS)
def test_a_bomb_is_refused_before_it_is_decoded(tmp_path, content, monkeypatch):
    monkeypatch.setattr(image_module, "_decode_opencv", None)
    monkeypatch.setattr(image_module, "_decode_pillow", None)
    path = tmp_path / "bomb.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=r"bomb\.jpg: .*pixels"):
        read_image(path)


def test_the_limit_is_the_number_of_pixels():
    side = int(MAX_IMAGE_PIXELS**0.5)
    refuse(png(side, side))
    refuse(jpeg(side, side))
    refuse(png(100_000, 100))
    with pytest.raises(
        ValueError, match=f"{side + 1}x{side + 1} pixels by its header, more than 178,956,970"
    ):
        refuse(png(side + 1, side + 1))


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow's, of damaged headers
@pytest.mark.parametrize("name", ["PNG", "JPEG", "BMP", "WEBP", "TIFF", "GIF", "PPM", "JPEG2000"])
def test_images_cut_anywhere_pass(name):
    data = encoded(name, size=(3, 2))
    for length in range(len(data)):
        refuse(data[:length])


def test_sizes_are_found_however_the_jpeg_is_made():
    for options in (
        {},
        {"progressive": True},
        {"exif": b"Exif\0\0II*\0\x08\0\0\0\0\0", "icc_profile": bytes(70_000)},
    ):
        with pytest.raises(ValueError, match="60000x50000"):
            refuse(jpeg(60000, 50000, **options))


def test_postscript_is_not_run():
    data = b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n%%EOF\n"
    with pytest.raises(ImageError, match=r"a\.jpg: PostScript"):
        decode_image(np.frombuffer(data, np.uint8), "a.jpg")


def jpeg_bytes(width, height, **options) -> np.ndarray:
    return np.frombuffer(encoded("JPEG", (width, height), **options), np.uint8)


@pytest.mark.parametrize(
    "options", [{}, {"progressive": True}, {"comment": "x" * 60_000}, {"exif": b"Exif\0\0" * 99}]
)
def test_size(options):
    assert jpeg_size(jpeg_bytes(321, 123, **options)) == (123, 321)


def test_of_opencv_and_grey():
    data = cv2.imencode(".jpg", np.zeros((40, 70), np.uint8))[1]
    assert jpeg_size(data) == (40, 70)


def test_no_jpeg_and_what_is_left_of_one():
    data = jpeg_bytes(32, 16)
    assert jpeg_size(cv2.imencode(".png", np.zeros((4, 4, 3), np.uint8))[1]) is None
    assert jpeg_size(np.zeros(0, np.uint8)) is None
    start = data.tobytes().index(b"\xff\xc0")
    for cut in range(2, start + 9):
        assert jpeg_size(data[:cut]) is None
    assert jpeg_size(data[: start + 9]) == (16, 32)
    for position in range(len(data)):
        damaged = data.copy()
        damaged[position] ^= 0xFF
        jpeg_size(damaged)  # whatever it says, it ends
