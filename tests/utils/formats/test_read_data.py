"""Naming a data set, and what is said when there is none."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from tests.utils.formats.test_yolo import add, assert_same
from tests.utils.formats.voc_folder import add_image, add_split, xml
from utils.data.class_names import read_classes
from utils.data.index import flat_index
from utils.formats.read_data import (
    absolute_spec,
    given_classes,
    missing_images,
    names_classes,
    read_data,
    require_boxes,
    require_images,
)

BOX = (10, 20, 30, 40)


@pytest.fixture
def voc(tmp_path):
    root = tmp_path / "my devkit: 2" / "VOC2007"
    add_image(root, "a", xml([("dog", BOX), ("cat", BOX, 1)]))
    add_image(root, "b", xml())
    add_split(root, "train", "a", "b")
    add_split(root, "val", "b")
    return root


@pytest.fixture
def coco(tmp_path):
    (tmp_path / "images").mkdir()
    path = tmp_path / "instances.json"
    image = {"id": 1, "file_name": "a.jpg"}
    annotation = {"id": 1, "image_id": 1, "category_id": 1, "bbox": [1, 2, 3, 4]}
    category = {"id": 1, "name": "cat"}
    path.write_text(json.dumps({"images": [image], "annotations": [annotation], "categories": [category]}))
    return path


def test_a_list(tmp_path):
    (tmp_path / "2007_train.txt").write_text("a.jpg 1,2,3,4,0\n")
    index = read_data(str(tmp_path / "2007_train.txt"), ["cat"])
    assert index.path(0) == tmp_path / "a.jpg"


def test_a_list_needs_classes(tmp_path):
    (tmp_path / "2007_train.txt").write_text("a.jpg 1,2,3,4,0\n")
    with pytest.raises(ValueError, match="--classes"):
        read_data(str(tmp_path / "2007_train.txt"))


def test_a_voc_folder_with_a_split(voc):
    index = read_data(f"{voc}:train")
    assert (len(index), index.class_names, index.difficult.tolist()) == (2, ("cat", "dog"), [False, True])
    assert read_data(f"{voc}:train", ["dog", "cat"]).labels.tolist() == [0, 1]
    assert len(read_data(f"{voc}:val", ["dog"]).boxes) == 0


def test_coco_with_an_image_folder(coco):
    assert read_data(f"{coco}:{coco.parent / 'images'}").path(0) == coco.parent / "images" / "a.jpg"
    assert read_data(f"{coco}:{coco.parent}/images/").path(0) == coco.parent / "images" / "a.jpg"
    assert read_data(str(coco)).path(0) == coco.parent / "a.jpg"  # beside the file


@pytest.fixture
def yolo(tmp_path):
    """Two images, the labels of one of them, and the YAML file that describes it."""
    root = tmp_path / "my yolo: 1"
    add(root, "a.jpg", "1 .5 .5 1 1")
    add(root, "b.jpg", "")
    (root / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    return root


def test_yolo(yolo, monkeypatch):
    monkeypatch.chdir(yolo)
    for spec, names in (
        ("data.yaml:train", None),
        (f"{yolo}/data.yaml:train", ["cat", "dog"]),
        ("images", ["cat", "dog"]),
        (f"{yolo / 'images'}/", ["cat", "dog"]),
        ("labels:images", ["cat", "dog"]),
        (f"{yolo / 'labels'}/:{yolo / 'images'}/", ["cat", "dog"]),
    ):
        index = read_data(spec, names)
        assert [index.path(image) for image in range(2)] == [yolo / "images" / f"{n}.jpg" for n in "ab"]
        assert (index.labels.tolist(), index.class_names) == ([1], ("cat", "dog"))
    for spec in ("images", "labels:images"):
        with pytest.raises(ValueError, match="--classes FILE"):
            read_data(spec)


def test_yolo_without_what_it_needs_gets_advice(yolo):
    for spec, advice in (
        (yolo, r"name the YAML file and a split, such as .*data\.yaml:train"),
        (yolo / "data.yaml", r"no split ''; it has .*data\.yaml:train"),
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


def test_a_folder_of_xml_beside_a_folder_of_images(voc, monkeypatch):
    assert len(read_data(f"{voc / 'Annotations'}:{voc / 'JPEGImages'}").boxes) == 2
    monkeypatch.chdir(voc)
    index = read_data("Annotations:JPEGImages", ["dog", "cat"])
    assert (index.path(0), index.labels.tolist()) == (voc / "JPEGImages" / "a.jpg", [0, 1])
    (voc / "train").mkdir()  # a folder here, but a split there
    assert len(read_data(f"{voc}:train")) == 2


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
    with pytest.raises(ValueError, match="splits there: train, val"):
        read_data(f"{voc}:test")


def test_a_missing_image_folder_is_named(coco):
    with pytest.raises(ValueError, match=r"image folder .*nowhere of .* does not exist"):
        read_data(f"{coco}:{coco.parent / 'nowhere'}")


def test_classes_that_match_nothing_are_refused_with_the_names_found(voc):
    with pytest.raises(ValueError, match=r"cat \(1\), dog \(1\)"):
        read_data(f"{voc}:train", ["bird"])


def test_broken_files_are_left_out_with_a_warning(voc):
    (voc / "Annotations" / "b.xml").write_text("<annotation>")
    with pytest.warns(UserWarning, match=r"1 problems .*b\.xml: unreadable XML"):
        assert len(read_data(f"{voc}:train")) == 1
    with pytest.raises(ValueError, match="no usable image"):
        read_data(f"{voc}:val")


def index_of(*paths: Path, boxes: int = 0):
    table = np.array([[1, 2, 3, 4]] * boxes, np.float32).reshape(-1, 4)
    return flat_index(
        ["cat"], [str(p) for p in paths], [boxes, *[0] * (len(paths) - 1)], table, np.zeros(boxes)
    )


def test_missing_images_are_found_all_at_once(tmp_path):
    (tmp_path / "a.jpg").touch()
    (tmp_path / "folder.jpg").mkdir()
    paths = [tmp_path / "a.jpg", tmp_path / "b.jpg", tmp_path / "none" / "a.jpg", tmp_path / "图.jpg"]
    index = index_of(*paths)
    assert missing_images(index) == paths[1:]
    with pytest.raises(ValueError, match=r"3 of 4 images of my\.txt") as error:
        require_images(index, "my.txt")
    assert all(str(path) in str(error.value) for path in paths[1:])
    require_images(index_of(paths[0]), "my.txt")


def test_many_missing_images_are_counted(tmp_path):
    with pytest.raises(ValueError, match=r"15 of 15(.|\n)*and 5 more"):
        require_images(index_of(*[tmp_path / f"{i}.jpg" for i in range(15)]), "my.txt")


def test_there_must_be_something_to_learn(tmp_path):
    require_boxes(index_of(tmp_path / "a.jpg", boxes=1), "my.txt")
    with pytest.raises(ValueError, match=r"my\.txt: 2 images and no box.*--classes \(cat\)"):
        require_boxes(index_of(tmp_path / "a.jpg", tmp_path / "b.jpg"), "my.txt")
    with pytest.raises(ValueError, match="no image"):
        require_boxes(flat_index(["cat"], [], [], np.zeros((0, 4)), np.zeros(0)), "my.txt")


@needs_shared
def test_voc100_is_the_same_as_voc_and_as_coco():
    folder = SHARED / "data" / "voc100"
    names = read_classes(folder / "gts" / "yolo_format" / "obj.names")
    voc = read_data(f"{folder / 'gts' / 'pascalvoc_format'}:{folder / 'images'}", names)
    coco = read_data(f"{folder / 'gts' / 'coco_format_v1' / 'instances_default.json'}:{folder / 'images'}")
    assert (len(voc), len(voc.boxes), voc.difficult.sum()) == (100, 273, 38)
    assert_same(voc, coco, tolerance=0)
