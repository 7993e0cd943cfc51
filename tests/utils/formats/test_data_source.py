"""Specs: what they name, and the advice if they name nothing."""

import pytest

from utils.formats.data_source import absolute_spec, find_source, names_classes
from utils.formats.read_data import given_classes, read_data


def test_the_format_of_a_spec(voc, coco, yolo, tmp_path):
    (tmp_path / "a.txt").write_text("a.jpg\n")
    for spec, kind in (
        (f"{voc}:train", "voc"),
        (f"{voc / 'Annotations'}:{voc / 'JPEGImages'}", "voc-pair"),
        (str(coco), "coco"),
        (f"{coco}:{tmp_path}", "coco"),
        (f"{yolo / 'data.yaml'}:train", "yolo-yaml"),
        (str(yolo / "images"), "yolo-folder"),
        (f"{yolo / 'labels'}:{yolo / 'images'}", "yolo-pair"),
        (str(tmp_path / "a.txt"), "list"),
    ):
        assert find_source(spec).kind == kind, spec


def test_yolo_without_what_it_needs_gets_advice(yolo):
    for spec, advice in (
        (yolo, r"name the YAML file and a split, such as .*data\.yaml:train"),
        (yolo / "data.yaml", r"name one of them, as in .*data\.yaml:train"),
        (yolo / "labels", "neither ImageSets/Main .* nor YOLO labels"),
        (f"{yolo / 'labels'}:nowhere", "does not exist"),
    ):
        with pytest.raises(ValueError, match=advice):
            read_data(str(spec), ["cat"])
    (yolo / "data.yaml").unlink()
    with pytest.raises(ValueError, match=r"name its folder of images: .*images"):
        read_data(str(yolo), ["cat"])
    for file in (yolo / "labels").iterdir():
        file.unlink()
    with pytest.raises(ValueError, match="nor YOLO labels"):
        read_data(str(yolo / "images"), ["cat"])


def test_absolute_specs_are_found_from_anywhere(voc, coco, yolo, monkeypatch):
    cases = (
        (voc.parent, "VOC2007:train", f"{voc}:train"),
        (voc, "Annotations:JPEGImages", f"{voc / 'Annotations'}:{voc / 'JPEGImages'}"),
        (coco.parent, "instances.json:images", f"{coco}:{coco.parent / 'images'}"),
        (coco.parent, "instances.json", str(coco)),
        (yolo, "data.yaml:train", f"{yolo / 'data.yaml'}:train"),
        (yolo, "labels:images", f"{yolo / 'labels'}:{yolo / 'images'}"),
        (yolo, "images", str(yolo / "images")),
    )
    for folder, spec, expected in cases:
        monkeypatch.chdir(folder)
        assert absolute_spec(spec) == expected
        before = read_data(spec, ["dog", "cat"])
        monkeypatch.chdir("/")
        assert read_data(expected, ["dog", "cat"]).path_bytes.tobytes() == before.path_bytes.tobytes()


def test_which_data_names_its_classes(voc, coco, yolo, tmp_path):
    (tmp_path / "list.txt").touch()
    named = [f"{voc}:train", f"{voc / 'Annotations'}:{voc / 'JPEGImages'}", f"{coco}", f"{coco}:images"]
    named += [f"{yolo / 'data.yaml'}:train"]
    bare = [
        f"{tmp_path / 'list.txt'}",
        f"{yolo / 'images'}",
        f"{yolo / 'labels'}:{yolo / 'images'}",
        "gone.txt",
    ]
    assert all(map(names_classes, named)) and not any(map(names_classes, bare))
    (tmp_path / "default.txt").write_text("cow\n")
    (tmp_path / "mine.txt").write_text("bird\n")
    default = tmp_path / "default.txt"
    assert given_classes(None, named, default) is None
    assert given_classes(None, [*named, bare[0]], default) == ("cow",)
    assert given_classes(tmp_path / "mine.txt", named, default) == ("bird",)


def test_relative_specs_start_at_the_current_folder(voc, coco, monkeypatch):
    monkeypatch.chdir(voc.parent)
    assert read_data("VOC2007:train").path(0) == voc / "JPEGImages" / "a.jpg"
    monkeypatch.chdir(coco.parent)
    assert read_data("instances.json:images").path(0) == coco.parent / "images" / "a.jpg"


def test_drive_letters_are_no_separator(tmp_path, coco, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "C").mkdir()  # a folder named as the drive
    with pytest.raises(ValueError, match=r"C:\\data\\2007_train\.txt does not exist"):
        read_data(r"C:\data\2007_train.txt", ["cat"])
    (tmp_path / "D:images").mkdir()  # stands for D:\images
    assert read_data("instances.json:D:images").path(0) == tmp_path / "D:images" / "a.jpg"


def test_what_does_not_exist_is_named_with_where_it_was_sought(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for spec in ("none.txt", "none/VOC2007:train", "none.json:images/"):
        with pytest.raises(ValueError, match="does not exist") as error:
            read_data(spec, ["cat"])
        sought = tmp_path / spec.split(":")[0]
        assert f"looked for {sought})" in str(error.value)
        assert "VOCdevkit/VOC2007:train" in str(error.value)  # the forms that there are


def test_a_folder_without_a_split_gets_advice(voc, tmp_path):
    with pytest.raises(ValueError, match=r"VOC2007:train, .*VOC2007:val"):
        read_data(str(voc))
    with pytest.raises(ValueError, match="VOC2007:train"):
        read_data(str(voc.parent))
    with pytest.raises(ValueError, match=r"voc_annotation\.py"):
        read_data(str(voc / "Annotations"))
    with pytest.raises(ValueError, match="splits found: train, val"):
        read_data(f"{voc}:test")


def test_a_missing_image_folder_is_named(coco):
    with pytest.raises(ValueError, match=r"image folder .*nowhere of .* does not exist"):
        read_data(f"{coco}:{coco.parent / 'nowhere'}")
