"""Splits get the same classes, and what readers skip is reported one by one."""

import json

import pytest

from tests.utils.formats.voc_folder import add_image, add_split, xml
from utils.doctor.splits import examine_splits, read_splits, short_names
from utils.formats.voc_xml import read_annotation
from utils.system.files import read_text

BOX = (10, 20, 30, 40)


@pytest.fixture
def year(tmp_path):
    root = tmp_path / "VOC2007"
    add_image(root, "a", xml([("dog", BOX), ("dog", (9, 9, 1, 1))]))
    add_image(root, "b", xml([("cat", BOX)]))
    add_split(root, "train", "a")
    add_split(root, "val", "b")
    return root


def coco(folder, *annotations, names=("cat", "dog")):
    """A COCO file of one image a.jpg with the annotations (category id, bbox)."""
    content = {
        "images": [{"id": 7, "file_name": "a.jpg", "width": 100, "height": 80}],
        "categories": [{"id": k, "name": name} for k, name in enumerate(names)],
        "annotations": [
            {"id": k, "image_id": 7, "category_id": category, "bbox": list(box)}
            for k, (category, box) in enumerate(annotations)
        ],
    }
    path = folder / "a.json"
    path.write_text(json.dumps(content))
    return path


def test_classes_are_those_of_all_splits(year):
    splits = read_splits({"train": f"{year}:train", "val": f"{year}:val"}, None)
    assert [split.name for split in splits] == ["train", "val"]
    assert {split.index.class_names for split in splits} == {("dog", "cat")}
    assert [split.index.labels.tolist() for split in splits] == [[0], [1]]


def test_classes_that_are_given_decide(year):
    splits = read_splits({"train": f"{year}:train"}, ("cat", "dog"))
    assert splits[0].index.labels.tolist() == [1] and not splits[0].unknown_names


def test_voc_problems_and_strangers(year):
    add_image(year, "c", xml([("bird", BOX), ("dog", (90, 70, 120, 79))]))
    add_split(year, "train", "a", "c")
    (split,) = read_splits({"train": f"{year}:train"}, ("dog",))
    assert split.problems == [("VOC2007/Annotations/a.xml", "box 9, 9, 1, 1 is inverted")]
    assert split.unknown_names == {"bird": 1} and split.clipped == 1


def test_coco_problems_and_strangers(tmp_path):
    path = coco(tmp_path, (0, (1, 2, 30, 40)), (0, (1, 2, 0, 5)), (0, (1, 2, 5, -5)), (1, (1, 2, 5, 5)))
    for spec in (f"{path}:{tmp_path}", str(path)):
        (split,) = read_splits({"x": spec}, ("cat",))
        assert split.problems == [
            (str(path), "annotation 1, image a.jpg: box 1, 2, 0, 5 (x, y, w, h) is empty"),
            (str(path), "annotation 2, image a.jpg: box 1, 2, 5, -5 (x, y, w, h) is inverted"),
        ]
        assert split.unknown_names == {"dog": 1} and len(split.index.boxes) == 1


def test_each_data_set_is_read_once(year, tmp_path, monkeypatch):
    (tmp_path / "a.jpg").write_bytes((year / "JPEGImages" / "a.jpg").read_bytes())
    path = coco(tmp_path, (0, (1, 2, 30, 40)), names=("bird", "cow"))
    read = []
    monkeypatch.setattr(
        "utils.formats.voc.read_annotation", lambda path: read.append(path.name) or read_annotation(path)
    )
    monkeypatch.setattr(
        "utils.formats.coco.read_text", lambda path: read.append(path.name) or read_text(path)
    )
    splits = read_splits({"train": f"{year}:train", "val": f"{year}:val", "test": f"{path}:{tmp_path}"}, None)
    assert sorted(read) == ["a.json", "a.xml", "b.xml"]
    assert {split.index.class_names for split in splits} == {("dog", "cat", "bird", "cow")}
    assert [split.index.labels.tolist() for split in splits] == [[0], [1], [2]]


def test_a_list_needs_classes(tmp_path):
    (tmp_path / "a.txt").write_text("a.jpg 1,2,3,4,0\n")
    with pytest.raises(ValueError, match="--classes"):
        read_splits({"a": str(tmp_path / "a.txt")}, None)


def test_facts_belong_to_their_images(year):
    splits = examine_splits(read_splits({"train": f"{year}:train", "val": f"{year}:val"}, None), workers=1)
    assert [[facts.size for facts in split.facts] for split in splits] == [[(80, 100)], [(80, 100)]]
    (year / "JPEGImages" / "b.jpg").unlink()
    assert [[bool(f.error) for f in s.facts] for s in examine_splits(splits, 2)] == [[False], [True]]


@pytest.mark.parametrize(
    ("specs", "names"),
    [
        ([], []),
        (["/data/2007_train.txt"], ["2007_train.txt"]),
        (["/d/VOC2007:train", "/d/VOC2007:val"], ["VOC2007:train", "VOC2007:val"]),
        (["/d/train/a.json:/d/train", "/d/val/a.json"], ["train/a.json", "val/a.json"]),
    ],
)
def test_short_names(specs, names):
    assert short_names(specs) == names
