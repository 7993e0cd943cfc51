"""Where the label file of an image is, and what belongs to no image."""

from pathlib import Path

import pytest

from utils.data.notes import FILES_UNUSED, NO_LABEL_FILE, NoteTaker
from utils.formats.yolo_files import images_below, label_files, label_folder, note_unused


def touch(folder, *paths):
    for path in paths:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).touch()


@pytest.mark.parametrize(
    ("folder", "there", "found"),
    [
        ("x/images/train", "x/labels/train", "x/labels/train"),
        ("x/images", "x/labels", "x/labels"),
        ("images/x/images/a", "images/x/labels/a", "images/x/labels/a"),
        ("images/x/images/a", "labels/x/images/a", "images/x/images/a"),
        ("x/Images/Train", "x/Labels/train", "x/Labels/train"),
        ("x/IMAGES", "x/labels", "x/labels"),
        ("x/images/train", "x/other", "x/images/train"),
        ("x/my images/train", "x/my labels/train", "x/my images/train"),
        ("x/photos", "x/labels", "x/photos"),
    ],
)
def test_labels_are_in_place_of_images_or_beside(tmp_path, folder, there, found):
    (tmp_path / there).mkdir(parents=True)
    assert label_folder(str(tmp_path / folder)) == str(tmp_path / found)


def test_each_image_has_its_own_label_file(tmp_path):
    for path in (
        "images/.hidden/x.jpg",
        "images/sub/b.c.png",
        "images/a.JPG",
        "images/a.gif",
        "beside/d.jpg",
    ):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    for path in ("labels/sub/b.c.txt", "labels/other.txt", "beside/d.txt"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).touch()
    found = list(images_below(tmp_path))
    assert found == [str(tmp_path / path) for path in ("beside/d.jpg", "images/a.JPG", "images/sub/b.c.png")]
    assert list(label_files(found)) == [tmp_path / "beside/d.txt", None, tmp_path / "labels/sub/b.c.txt"]


def test_letter_case_does_not_matter(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/b.JPG", "images/IMG_1.jpg", "images/c.jpg", "images/C.jpg")
    touch(tmp_path, "labels/a.TXT", "labels/b.txt", "labels/b.TXT", "labels/img_1.txt", "labels/C.txt")
    files = label_files(str(tmp_path / "images" / name) for name in ("a.jpg", "b.JPG", "IMG_1.jpg", "c.jpg"))
    assert [file and file.name for file in files] == ["a.TXT", "b.txt", "img_1.txt", None]


def test_a_composed_name_finds_its_decomposed_file(tmp_path):
    touch(tmp_path, "images/\u00e4.jpg", "labels/a\u0308.txt")
    assert list(label_files([str(tmp_path / "images" / "\u00e4.jpg")])) == [tmp_path / "labels/a\u0308.txt"]


def unused(folder, *names):
    """The notes on the images with these names: kind, file name and reason."""
    paths = [str(folder / name) for name in names]
    taker = NoteTaker()
    note_unused(paths, list(label_files(paths)), taker)
    return [(note.kind, Path(file).name, reason) for note in taker.notes() for file, reason in note.problems]


def test_what_belongs_to_no_image_is_noted(tmp_path):
    touch(tmp_path, "images/a.jpg", "images/b.jpg", "images/d.gif", "images/.hidden.txt", "images/notes.txt")
    touch(tmp_path, "labels/a.txt", "labels/c.txt", "labels/d.txt", "labels/e.xml", "labels/classes.txt")
    assert unused(tmp_path, "images/a.jpg", "images/b.jpg") == [
        (NO_LABEL_FILE, "b.jpg", f"no b.txt in {tmp_path / 'labels'}"),
        (FILES_UNUSED, "d.gif", "an image format that cannot be read"),
        (FILES_UNUSED, "e.xml", "not a YOLO label file (.txt)"),
        (FILES_UNUSED, "c.txt", f"no image c.* in {tmp_path / 'images'}"),
        (FILES_UNUSED, "d.txt", f"no image d.* in {tmp_path / 'images'}"),
    ]
    # The images of another split are in the same folder: their labels belong to something.
    assert [kind for kind, *_ in unused(tmp_path, "images/a.jpg")] == [FILES_UNUSED] * 4


def test_text_next_to_images_may_be_anything_unless_it_is_labels(tmp_path):
    touch(tmp_path, "plain/a.jpg", "plain/notes.txt", "mixed/a.jpg", "mixed/a.txt", "mixed/b.txt")
    assert [kind for kind, *_ in unused(tmp_path, "plain/a.jpg")] == [NO_LABEL_FILE]
    assert [name for _, name, _ in unused(tmp_path, "mixed/a.jpg")] == ["b.txt"]
