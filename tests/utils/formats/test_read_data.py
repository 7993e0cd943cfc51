"""Reading data sets of every format, and what is required of them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.helpers import SHARED, needs_shared
from tests.utils.formats.test_yolo import assert_same
from utils.data.class_names import read_classes
from utils.data.index import flat_index
from utils.data.notes import IMAGES_SKIPPED, NO_LABEL_FILE, OBJECTS_SKIPPED, OTHER_CLASSES, NoteTaker
from utils.formats.read_data import (
    missing_images,
    read_data,
    require_boxes,
    require_images,
)

BOX = (10, 20, 30, 40)


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


def test_a_folder_of_xml_beside_a_folder_of_images(voc, monkeypatch):
    assert len(read_data(f"{voc / 'Annotations'}:{voc / 'JPEGImages'}").boxes) == 2
    monkeypatch.chdir(voc)
    index = read_data("Annotations:JPEGImages", ["dog", "cat"])
    assert (index.path(0), index.labels.tolist()) == (voc / "JPEGImages" / "a.jpg", [0, 1])
    (voc / "train").mkdir()  # a folder here, but a split there
    assert len(read_data(f"{voc}:train")) == 2


def test_classes_that_match_nothing_are_refused_with_the_names_found(voc):
    with pytest.raises(ValueError, match=r"cat \(1\), dog \(1\)"):
        read_data(f"{voc}:train", ["bird"])


def test_broken_files_are_skipped_and_noted(voc):
    (voc / "Annotations" / "b.xml").write_text("<annotation>")
    index = read_data(f"{voc}:train")
    assert len(index) == 1
    (note,) = index.notes
    assert note.kind == IMAGES_SKIPPED and "unreadable XML" in note.problems[0].reason
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
    empty = index_of(tmp_path / "a.jpg", tmp_path / "b.jpg")
    with pytest.raises(ValueError, match=r"my\.txt: 2 images and no box to learn from. The annotation files"):
        require_boxes(empty, "my.txt")
    one = index_of(tmp_path / "a.jpg", boxes=1)
    notes = NoteTaker()
    notes.add(OTHER_CLASSES, "a.xml", "not in the list", subject="fox", count=3)
    sought = NoteTaker()
    for name in "ab":
        sought.add(NO_LABEL_FILE, f"{name}.jpg", f"no {name}.txt in labels")
    skipped = NoteTaker()
    skipped.add(OBJECTS_SKIPPED, "a.txt", "line 1: is empty")
    for index, why in (
        (replace(one, crowd=np.ones(1, bool)), "All 1 annotations are crowds .*set iscrowd to 0"),
        (replace(one, difficult=np.ones(1, bool)), "All 1 objects are flagged as difficult"),
        (replace(empty, notes=notes.notes()), r"not those in --classes, but fox \(3\)"),
        (replace(empty, notes=sought.notes()), "None has a label file: no a.txt in labels"),
        (replace(empty, notes=skipped.notes()), r"(?s)1 objects skipped: a\.txt: line 1: is empty"),
    ):
        with pytest.raises(ValueError, match=why):
            require_boxes(index, "my.txt")
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
