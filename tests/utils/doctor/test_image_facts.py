"""Files are read once, and what is wrong with them is told, not raised."""

import hashlib

import numpy as np
import pytest
from PIL import Image

from utils.doctor.image_facts import NO_SUCH_FILE, examine_image, examine_images


@pytest.fixture
def image():
    return Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8))


def test_facts_of_a_sound_image(tmp_path, image):
    path = tmp_path / "a.png"
    image.save(path)
    facts = examine_image(path)
    assert (facts.error, facts.size, facts.orientation, facts.mode, facts.format) == (
        "", (40, 60), 1, "RGB", "PNG",
    )  # fmt: skip
    assert facts.digest == hashlib.blake2b(path.read_bytes(), digest_size=16).digest()
    assert facts.thumbnail.shape == (32, 32) and facts.thumbnail.dtype == np.uint8


def test_a_thumbnail_is_the_image_in_small_and_grey(tmp_path):
    pixels = np.zeros((64, 128, 3), np.uint8)
    pixels[:, 64:, 1] = 255  # the right half is green: 0.587 of white (ITU-R BT.601)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    thumbnail = examine_image(tmp_path / "a.png").thumbnail
    assert (thumbnail[:, :16] == 0).all() and (thumbnail[:, 16:] == round(0.587 * 255)).all()


def test_orientation_turns_the_size(tmp_path, image):
    exif = Image.Exif()
    exif[0x112] = 6
    image.save(tmp_path / "a.jpg", exif=exif)
    facts = examine_image(tmp_path / "a.jpg")
    assert facts.orientation == 6 and facts.size == (60, 40)


@pytest.mark.parametrize(
    ("mode", "suffix"), [("CMYK", "jpg"), ("RGBA", "png"), ("L", "png"), ("I;16", "png")]
)
def test_modes(tmp_path, image, mode, suffix):
    path = tmp_path / f"a.{suffix}"
    converted = Image.fromarray(np.zeros((4, 4), np.uint16)) if mode == "I;16" else image.convert(mode)
    converted.save(path)
    assert examine_image(path).mode == mode


def test_format_is_that_of_the_content(tmp_path, image):
    image.save(tmp_path / "a.jpg", format="PNG")
    assert examine_image(tmp_path / "a.jpg").format == "PNG"


@pytest.mark.parametrize(("kept", "error"), [(0.5, ""), (0, "the file is empty")])
def test_a_truncated_file_is_told(tmp_path, image, kept, error):
    image.save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    (tmp_path / "a.jpg").write_bytes(content[: int(kept * len(content))])
    facts = examine_image(tmp_path / "a.jpg")
    assert facts.error and error in facts.error and str(tmp_path) not in facts.error


def test_what_is_no_file_is_told(tmp_path):
    assert examine_image(tmp_path / "none.jpg").error == NO_SUCH_FILE
    assert examine_image(tmp_path).error  # a folder


def test_many_are_in_order_and_a_file_twice_is_read_once(tmp_path, image, monkeypatch):
    paths = [tmp_path / f"{number}.png" for number in range(5)]
    for number, path in enumerate(paths):
        image.resize((number + 1, 3)).save(path)
    read = []
    monkeypatch.setattr(
        "utils.doctor.image_facts.examine_image", lambda path: read.append(path) or examine_image(path)
    )
    facts = examine_images([*paths, paths[0]], workers=3)
    assert [fact.size for fact in facts] == [(3, 1), (3, 2), (3, 3), (3, 4), (3, 5), (3, 1)]
    assert sorted(read) == paths


def test_a_jpeg_without_its_end_marker_is_told(tmp_path, image):
    image.save(tmp_path / "a.jpg")
    content = (tmp_path / "a.jpg").read_bytes()
    assert not examine_image(tmp_path / "a.jpg").lacks_end
    (tmp_path / "a.jpg").write_bytes(content[:-2])
    facts = examine_image(tmp_path / "a.jpg")
    assert facts.lacks_end and not facts.error
