"""What files are that cannot be read as images."""

import io
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from utils.images.file_kind import describe_bytes, describe_file
from utils.images.image_io import ImageError, decode_image


def zipped():
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.jpg", b"")
    return file.getvalue()


CASES = {
    b"\0\0\0\x24ftypheic\0\0\0\0mif1heic" + b"\0" * 60: "a HEIC image: save it as JPEG or PNG",
    b"\0\0\0\x20ftypmif1\0\0\0\0mif1heic": "a HEIC image",
    b"\0\0\0\x20ftypavif\0\0\0\0": "an AVIF image: save it as JPEG or PNG",
    b"\0\0\0\x18ftypcrx \0\0\0\1": "a camera's raw image",
    b"\0\0\0\x20ftypisom\0\0\2\0isomiso2": "a video: give it to video.py --source",
    b"\x1a\x45\xdf\xa3\x9f\x42\x86": "a video",
    b"RIFF\0\0\0\0AVI LIST": "a video",
    b"GIF89a\1\0\1\0": "a GIF image",
    b"\0\0\0\x0cJXL \r\n\x87\n": "a JPEG XL image",
    b"8BPS\0\1": "a Photoshop image",
    b"%PDF-1.7\n": "a PDF document: save its pages as JPEG or PNG",
    b"<!DOCTYPE html><html>404</html>": "a web page: download the image itself",
    b"\xef\xbb\xbf\n<!-- moved -->\n<HTML lang=en>": "a web page",
    b'<?xml version="1.0"?>\n<svg xmlns="x">': "an SVG drawing",
    b"<annotation><folder>x</folder>": "XML text: put labels into the folder of the labels",
    b'{"images": []}': "JSON text",
    b'[{"a": 1}]': "JSON text",
    b"version https://git-lfs.github.com/spec/v1\noid sha256:abc\nsize 1\n": "a Git LFS pointer",
    zipped(): "a ZIP archive: unpack it",
    b"\x1f\x8b\x08\0": "a compressed archive",
    b"\x93NUMPY\1\0": "a NumPy array",
    b"\0" * 5000: "a file of zero bytes: copy or download it again",
    "0 0.5 0.5 0.1 0.1\n猫\n".encode(): "a text file, not an image",
}


@pytest.mark.parametrize(("content", "text"), CASES.items(), ids=range(len(CASES)))
def test_kinds(content, text, tmp_path):
    data = np.frombuffer(content, np.uint8)
    assert describe_bytes(data).startswith(text)
    (tmp_path / "a.jpg").write_bytes(content)
    assert describe_file(tmp_path / "a.jpg").startswith(text)


@pytest.mark.parametrize("content", CASES, ids=len)
def test_the_message_names_the_file_and_what_it_is(content):
    with pytest.raises(ImageError) as error:
        decode_image(np.frombuffer(content, np.uint8), "cat.jpg")
    assert str(error.value).startswith(f"cat.jpg: {CASES[content]}")


@pytest.mark.parametrize("name", ["JPEG", "PNG", "WEBP", "TIFF", "BMP"])
def test_images_are_of_no_other_kind(name):
    file = io.BytesIO()
    Image.new("RGB", (9, 9)).save(file, name)
    assert describe_bytes(np.frombuffer(file.getvalue(), np.uint8)) == ""


@given(st.binary())
def test_any_bytes(content):
    assert isinstance(describe_bytes(np.frombuffer(content, np.uint8)), str)


def test_a_file_that_is_not_there(tmp_path):
    assert describe_file(tmp_path / "none") == ""
