"""Every kind of image file must come out as the same kind of array, or as an error that names it."""

from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from utils.images.headers import EXIF_ORIENTATION, JPEG_SUFFIXES
from utils.images.image_io import (
    ImageError,
    decode_image,
    read_bytes,
    read_image,
    read_reduced,
    reduction_for,
    save_image,
)


@pytest.fixture
def colours() -> np.ndarray:
    """A smooth image, wider than high, without any symmetry: a turned or swapped one is noticed."""
    rows, columns = np.mgrid[0:40, 0:60]
    return np.stack([columns * 4, rows * 6, (columns + rows) * 2], axis=2).astype(np.uint8)


def save(pil_image: Image.Image, path: Path, **options) -> np.ndarray:
    pil_image.save(path, **options)
    image = read_image(path)
    assert image.dtype == np.uint8 and image.ndim == 3 and image.shape[2] == 3
    assert image.flags.c_contiguous and image.flags.writeable
    return image


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "webp", "jpg"])
def test_formats(tmp_path, colours, suffix):
    image = save(Image.fromarray(colours), tmp_path / f"a.{suffix}", quality=100, lossless=True)
    assert np.abs(image.astype(int) - colours).max() <= (24 if suffix == "jpg" else 0)


@pytest.mark.parametrize("suffix", ["png", "bmp", "tiff", "jpg"])
def test_grey(tmp_path, colours, suffix):
    grey = np.ascontiguousarray(colours[..., 0])
    image = save(Image.fromarray(grey), tmp_path / f"a.{suffix}", quality=100)
    assert np.abs(image.astype(int) - grey[..., None]).max() <= (3 if suffix == "jpg" else 0)


@pytest.mark.parametrize("suffix", ["png", "tiff", "webp"])
def test_alpha_is_dropped(tmp_path, colours, suffix):
    alpha = np.tile(np.linspace(0, 255, 60).astype(np.uint8), (40, 1))
    image = Image.fromarray(np.dstack([colours, alpha]))
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    assert (save(image, tmp_path / f"a.{suffix}", **options) == colours).all()


def test_grey_with_alpha(tmp_path, colours):
    image = Image.fromarray(colours[..., 0].copy())
    image.putalpha(Image.fromarray(colours[..., 1].copy()))
    assert (save(image, tmp_path / "a.png") == colours[..., :1]).all()


@pytest.mark.parametrize("transparency", [None, 3])
def test_palette(tmp_path, colours, transparency):
    image = Image.fromarray(colours).convert("P", palette=Image.Palette.ADAPTIVE)
    options = {} if transparency is None else {"transparency": transparency}
    assert (save(image, tmp_path / "a.png", **options) == np.array(image.convert("RGB"))).all()


def test_one_bit(tmp_path, colours):
    black_and_white = colours[..., 0] > 100
    image = save(Image.fromarray(black_and_white), tmp_path / "a.png")
    assert (image == black_and_white[..., None] * 255).all()


@pytest.mark.parametrize("suffix", ["png", "tiff"])
def test_16_bit_keeps_the_upper_8(tmp_path, colours, suffix):
    sixteen = colours[..., 0].astype(np.uint16) * 256 + 200
    assert (save(Image.fromarray(sixteen), tmp_path / f"grey.{suffix}") == colours[..., :1]).all()
    path = tmp_path / f"colour.{suffix}"
    assert cv2.imwrite(str(path), colours[..., ::-1].astype(np.uint16) * 256 + 100)
    assert (read_image(path) == colours).all()


def test_cmyk(tmp_path, colours):
    # Pillow writes Adobe's inverted CMYK; uninverted it would come out as the negative.
    image = save(Image.fromarray(colours).convert("CMYK"), tmp_path / "a.jpg", quality=100)
    assert np.abs(image.astype(int) - colours).max() <= 24
    image = save(Image.fromarray(colours).convert("CMYK"), tmp_path / "a.tiff")
    assert (image == colours).all()


UPRIGHT = {  # EXIF orientation -> how to turn the upright image into the stored one (EXIF 2.3, 4.6.4)
    1: lambda image: image,
    2: lambda image: image[:, ::-1],
    3: lambda image: image[::-1, ::-1],
    4: lambda image: image[::-1],
    5: lambda image: image.transpose(1, 0, 2),
    6: lambda image: np.rot90(image, 1),
    7: lambda image: image[::-1, ::-1].transpose(1, 0, 2),
    8: lambda image: np.rot90(image, -1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "tiff"])
def test_exif_orientation(tmp_path, colours, orientation, suffix):
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](colours)))
    options = {"lossless": True} if suffix == "webp" else {"quality": 100} if suffix == "jpg" else {}
    image = save(stored, tmp_path / f"a.{suffix}", exif=exif, **options)
    assert image.shape == colours.shape
    assert np.abs(image.astype(int) - colours).max() <= (24 if suffix == "jpg" else 0)


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_orientation_where_opencv_cannot_read(tmp_path, colours, orientation, monkeypatch):
    monkeypatch.setattr("utils.images.image_io._decode_opencv", lambda *_: None)
    exif = Image.Exif()
    exif[0x112] = orientation
    stored = Image.fromarray(np.ascontiguousarray(UPRIGHT[orientation](colours)))
    assert (save(stored, tmp_path / "a.png", exif=exif) == colours).all()


def test_paths_with_spaces_commas_and_unicode(tmp_path, colours):
    folder = tmp_path / "数据 集, ä"
    folder.mkdir()
    assert (save(Image.fromarray(colours), folder / "图 1,2.png") == colours).all()
    assert (read_image(str(folder / "图 1,2.png")) == colours).all()


def test_missing_file_is_named(tmp_path):
    with pytest.raises(ImageError, match=r"nowhere\.jpg: no such file"):
        read_image(tmp_path / "nowhere.jpg")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty"),
        (b"<html>not found</html>", "a web page: download"),
        (b"\1\2\3\4", "not an image"),
        (b"\xff\xd8\xff", ""),
    ],
)
def test_no_image_is_named(tmp_path, content, reason, capfd):
    path = tmp_path / "bad.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=rf"bad\.jpg: .*{reason}"):
        read_image(path)
    assert capfd.readouterr().err == ""


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp", "tiff"])
@pytest.mark.parametrize("kept", [0.3, 0.9])
def test_truncated_file_is_named(tmp_path, colours, suffix, kept, capfd):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), dtype=np.uint8)
    path = tmp_path / f"cut.{suffix}"
    Image.fromarray(noise).save(path)
    content = path.read_bytes()
    path.write_bytes(content[: int(len(content) * kept)])
    with pytest.raises(ImageError, match=rf"cut\.{suffix}: "):
        read_image(path)
    assert "OpenCV" not in capfd.readouterr().err


def test_every_suffix_of_jpeg_is_written_as_jpeg(tmp_path, colours):
    for suffix in JPEG_SUFFIXES:
        save_image(tmp_path / f"a{suffix}", colours)
        assert (tmp_path / f"a{suffix}").read_bytes().startswith(b"\xff\xd8")


@pytest.mark.parametrize("reduction", [1, 4])
def test_a_jpeg_without_its_end_marker_is_read(tmp_path, reduction, capfd):
    pixels = np.random.default_rng(0).integers(0, 256, (60, 90, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "whole.jpg")
    content = np.fromfile(tmp_path / "whole.jpg", np.uint8)
    whole = decode_image(content, "whole.jpg", reduction)
    assert (decode_image(content[:-2], "a.jpg", reduction) == whole).all()
    with pytest.raises(ImageError, match="truncated"):
        decode_image(content[:-40], "a.jpg", reduction)
    assert capfd.readouterr().err == ""


def test_32_bit_is_refused_with_the_fix(tmp_path):
    path = tmp_path / "depth.tiff"
    Image.fromarray(np.ones((4, 4), np.float32)).save(path)
    with pytest.raises(ImageError, match=r"depth\.tiff: 32 bits per pixel; save it with 8 or 16"):
        read_image(path)


def test_opencvs_log_level_is_left_as_it_was(tmp_path, colours):
    before = cv2.utils.logging.getLogLevel()
    save(Image.fromarray(colours), tmp_path / "a.png")
    assert cv2.utils.logging.getLogLevel() == before


@pytest.mark.parametrize("reduction", [2, 4, 8])
@pytest.mark.parametrize(("orientation", "size"), [(1, (101, 150)), (6, (104, 152))])
def test_jpeg_decoded_small_is_the_mean_of_its_pixels(tmp_path, reduction, orientation, size, monkeypatch):
    """By OpenCV and by Pillow, turned upright, sides rounded up."""
    y, x = np.mgrid[0 : size[0], 0 : size[1]]
    image = Image.fromarray(np.stack([x, 2 * y, 255 - x], axis=2).astype(np.uint8))
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    image.save(tmp_path / "a.jpg", quality=95, exif=exif)
    data = read_bytes(tmp_path / "a.jpg")
    whole = Image.fromarray(read_image(tmp_path / "a.jpg"))
    expected = np.asarray(whole.reduce(reduction)).astype(int)
    sides = [-(-side // reduction) for side in (size if orientation == 1 else size[::-1])]
    for _ in range(2):
        small = decode_image(data, "a.jpg", reduction)
        assert list(small.shape) == [*sides, 3] == list(expected.shape)
        assert np.abs(small[:-1, :-1] - expected[:-1, :-1]).max() <= 6
        monkeypatch.setattr("utils.images.image_io._decode_opencv", lambda *_: None)


def test_the_reduction_never_leads_to_enlarging():
    size = (96, 128)
    assert reduction_for((96, 128), size, 0.9) == 1
    assert reduction_for((192, 256), size, 1) == 2
    assert reduction_for((192, 256), size, 1.1) == 1
    assert reduction_for((960, 1280), size, 1) == 8  # a tenth of the size
    assert reduction_for((960, 1280), size, 1.6) == 4
    assert reduction_for((1280, 960), size, 1.6) == 4  # a thirteenth upright, a tenth when turned


def test_only_a_jpeg_is_reduced(tmp_path):
    image = Image.fromarray(np.zeros((192, 256, 3), np.uint8))
    for name, expected in (("a.jpg", 2), ("a.png", 1)):
        image.save(tmp_path / name)
        reduction, pixels = read_reduced(tmp_path / name, (96, 128), 1)
        assert reduction == expected and pixels.shape == (192 // expected, 256 // expected, 3)
