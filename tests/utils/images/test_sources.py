"""Finding images: files, folders, patterns, and what is said where there is none."""

import io
import sys
from pathlib import Path, PurePath

import numpy as np
import pytest

from tests.utils.system.file_server import serve, whole
from utils.images.image_io import ImageError
from utils.images.sources import find_image_sources, find_images, others_text, read_source


@pytest.fixture
def folder(tmp_path):
    for name in (
        "b.jpg",
        "a.PNG",
        "notes.txt",
        "deep/er/c.webp",
        "deep/.hidden/d.jpg",
        ".e.jpg",
        "cat[1].jpg",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    return tmp_path


def names(found, folder):
    return [Path(image.name).relative_to(folder).as_posix() for image in found]


def names_of(paths):
    return [path.name for path in paths]


def test_a_folder_is_searched_to_the_bottom(folder):
    assert names(find_image_sources([str(folder)]).images, folder) == [
        "a.PNG",
        "b.jpg",
        "cat[1].jpg",
        "deep/er/c.webp",
    ]


def test_a_hidden_folder_that_is_named_is_searched(folder):
    assert names(find_image_sources([str(folder / "deep" / ".hidden")]).images, folder) == [
        "deep/.hidden/d.jpg"
    ]


def test_patterns(folder):
    assert names(find_image_sources([f"{folder}/*.jpg"]).images, folder) == ["b.jpg", "cat[1].jpg"]
    assert names(find_image_sources([f"{folder}/**/*.webp"]).images, folder) == ["deep/er/c.webp"]


def test_a_file_whose_name_looks_like_a_pattern(folder):
    assert names(find_image_sources([str(folder / "cat[1].jpg")]).images, folder) == ["cat[1].jpg"]


def test_each_image_once_in_the_order_of_the_sources(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = find_image_sources(["b.jpg", str(folder), "deep/../b.jpg", "*.PNG"]).images
    assert [Path(image.name).name for image in found] == ["b.jpg", "a.PNG", "cat[1].jpg", "c.webp"]


def test_paths_alone(folder):
    paths = find_images([folder / "deep", f"{folder}/*.jpg"])
    assert paths == [folder / "deep" / "er" / "c.webp", folder / "b.jpg", folder / "cat[1].jpg"]


def test_places_are_those_below_what_was_named(folder, monkeypatch):
    monkeypatch.chdir(folder)
    for source, expected in {
        str(folder): ["a.PNG", "b.jpg", "cat[1].jpg", "deep/er/c.webp"],
        "deep": ["er/c.webp"],
        "deep/er/c.webp": ["c.webp"],
        "deep/**/*.webp": ["er/c.webp"],
        "d*/er/*": ["deep/er/c.webp"],
        f"{folder}/deep/*/*": ["er/c.webp"],
        "https://example.org/a/b%20c.jpg?size=3": ["b c.jpg"],
        "http://example.org": ["example.org"],
    }.items():
        assert [image.below for image in find_image_sources([source]).images] == [*map(PurePath, expected)], (
            source
        )


def given_list(monkeypatch, content):
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(content)))


def test_a_list_on_standard_input(folder, monkeypatch):
    monkeypatch.chdir(folder)
    content = "\ufeffb.jpg\r\n\n  a.PNG \ndeep\nb.jpg\ngone 猫.jpg\nhttps://example.org/x.jpg\n"
    given_list(monkeypatch, content.encode())
    found = find_image_sources(["-"]).images
    expected = ["b.jpg", "a.PNG", "deep/er/c.webp", "gone 猫.jpg", "https://example.org/x.jpg"]
    assert [image.name for image in found] == expected
    with pytest.raises(ImageError, match=r"gone 猫\.jpg: no such file"):
        read_source(found[3].name)


def test_an_empty_list(monkeypatch):
    given_list(monkeypatch, b"\n \n")
    with pytest.raises(ValueError, match="list on standard input is empty"):
        find_image_sources(["-"])


def test_a_name_that_is_no_utf8(tmp_path, monkeypatch):
    """As old disks have them: the bytes lead to the file."""
    name = b"caf\xe9.png"
    try:
        path = Path(str(tmp_path), name.decode("utf-8", "surrogateescape"))
        path.write_bytes(b"")
    except OSError:
        pytest.skip("this file system takes only UTF-8")
    given_list(monkeypatch, bytes(tmp_path) + b"/" + name)
    (image,) = find_image_sources(["-"]).images
    assert Path(image.name).is_file()


def test_images_of_files_and_addresses_are_read_alike(tmp_path):
    from PIL import Image

    pixels = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "a.png")
    content = (tmp_path / "a.png").read_bytes()
    with serve(lambda handler: whole(handler, content)) as (address, _):
        for source in (str(tmp_path / "a.png"), address):
            np.testing.assert_array_equal(read_source(source), pixels)


def test_everything_that_is_wrong_is_said_at_once(folder):
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="does not exist") as error:
        find_image_sources([f"{folder}/{name}" for name in ("b.jpg", "missing.jpg", "empty", "*.bmp")])
    message = str(error.value)
    assert f"{folder / 'missing.jpg'} does not exist" in message
    assert f"{folder / 'empty'} contains no image (known are .jpg" in message
    assert f"no image matches {folder}/*.bmp" in message
    assert "b.jpg" not in message


def test_a_file_that_is_no_image(folder):
    with pytest.raises(ValueError, match=r"notes\.txt: it is not an image \(known are \.jpg.*video\.py"):
        find_image_sources([str(folder / "notes.txt")])
    (folder / "a.gif").write_bytes(b"GIF89a")
    with pytest.raises(ValueError, match=r"a\.gif: a GIF image: save it as JPEG or PNG"):
        find_image_sources([str(folder / "a.gif")])


def test_every_suffix_of_jpeg(tmp_path):
    for name in ("a.jfif", "b.JPE", "c.jpeg"):
        (tmp_path / name).touch()
    assert names(find_image_sources([str(tmp_path)]).images, tmp_path) == ["a.jfif", "b.JPE", "c.jpeg"]


def test_files_that_are_not_images_are_told_apart(folder):
    assert names_of(find_image_sources([str(folder)]).others) == ["notes.txt"]
    assert names_of(find_image_sources([f"{folder}/*"]).others) == ["notes.txt"]
    for name in ("b.heic", "c.gif", "d.xml"):
        (folder / name).touch()
    others = find_image_sources([str(folder), f"{folder}/*.*"]).others
    assert others_text(others) == "4 files that are not images: b.heic, c.gif, d.xml, ..."
    assert others_text(others[:1]) == "1 file that is no image: b.heic"
    assert others_text([]) == ""
    (folder / "empty").mkdir()
    (folder / "empty" / "x.heic").touch()
    with pytest.raises(ValueError, match=r"contains no image .*, but 1 file that is no image: x\.heic"):
        find_image_sources([str(folder / "empty")])


def test_a_link_to_nothing_is_an_image_that_cannot_be_read(folder):
    (folder / "lost.jpg").symlink_to(folder / "gone.jpg")
    found = find_image_sources([str(folder)])
    assert "lost.jpg" in names(found.images, folder)
    with pytest.raises(ImageError, match=r"lost\.jpg: no such file"):
        read_source(str(folder / "lost.jpg"))


def test_nothing_named():
    with pytest.raises(ValueError, match="no image given"):
        find_image_sources([])
