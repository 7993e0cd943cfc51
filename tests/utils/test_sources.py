"""Finding pictures: files, folders, patterns, and what is said where there is none."""

import pytest

from utils.sources import find_images


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
    return [path.relative_to(folder).as_posix() for path in found]


def test_a_folder_is_searched_to_the_bottom(folder):
    assert names(find_images([folder]), folder) == ["a.PNG", "b.jpg", "cat[1].jpg", "deep/er/c.webp"]


def test_a_hidden_folder_that_is_named_is_searched(folder):
    assert names(find_images([folder / "deep" / ".hidden"]), folder) == ["deep/.hidden/d.jpg"]


def test_patterns(folder):
    assert names(find_images([f"{folder}/*.jpg"]), folder) == ["b.jpg", "cat[1].jpg"]
    assert names(find_images([f"{folder}/**/*.webp"]), folder) == ["deep/er/c.webp"]


def test_a_file_whose_name_looks_like_a_pattern(folder):
    assert names(find_images([folder / "cat[1].jpg"]), folder) == ["cat[1].jpg"]


def test_each_picture_once_and_sorted(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = find_images(["b.jpg", folder, "deep/../b.jpg", "*.PNG"])
    assert sorted(path.name for path in found) == ["a.PNG", "b.jpg", "c.webp", "cat[1].jpg"]
    assert found == sorted(found)


def test_everything_that_is_wrong_is_said_at_once(folder):
    (folder / "empty").mkdir()
    with pytest.raises(ValueError, match="does not exist") as error:
        find_images([folder / "b.jpg", folder / "missing.jpg", folder / "empty", f"{folder}/*.bmp"])
    message = str(error.value)
    assert f"{folder / 'missing.jpg'} does not exist" in message
    assert f"{folder / 'empty'} has no picture in it (known are .jpg" in message
    assert f"no picture matches {folder}/*.bmp" in message
    assert "b.jpg" not in message


def test_a_file_that_is_no_picture(folder):
    with pytest.raises(ValueError, match=r"notes\.txt is not a picture \(known are \.jpg.*video\.py"):
        find_images([folder / "notes.txt"])


def test_nothing_named():
    with pytest.raises(ValueError, match="no picture given"):
        find_images([])
