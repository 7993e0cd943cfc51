"""Which pictures and label files a YOLO data set has."""

import pytest

from utils.yolo_files import label_files, label_folder, pictures_below


@pytest.mark.parametrize(
    ("folder", "there", "found"),
    [
        ("/x/images/train", ("/x/labels/train",), "/x/labels/train"),
        ("/x/images", ("/x/labels",), "/x/labels"),
        ("/images/x/images/a", ("/images/x/labels/a", "/labels/x/images/a"), "/images/x/labels/a"),
        ("/x/images/train", (), "/x/images/train"),
        ("/x/my images/train", ("/x/my labels/train",), "/x/my images/train"),
        ("/x/pictures", ("/x/labels",), "/x/pictures"),
    ],
)
def test_labels_lie_in_place_of_images_or_beside(monkeypatch, folder, there, found):
    monkeypatch.setattr("pathlib.Path.is_dir", lambda self: str(self) in there)
    assert label_folder(folder) == found


def test_each_picture_has_its_own_label_file(tmp_path):
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
    found = list(pictures_below(tmp_path))
    assert found == [str(tmp_path / path) for path in ("beside/d.jpg", "images/a.JPG", "images/sub/b.c.png")]
    assert list(label_files(found)) == [tmp_path / "beside/d.txt", None, tmp_path / "labels/sub/b.c.txt"]
