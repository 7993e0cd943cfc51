"""Data sets of three formats, for the tests of reading them."""

import json

import pytest

from tests.utils.formats.test_yolo import add
from tests.utils.formats.voc_folder import add_image, add_split, xml

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


@pytest.fixture
def yolo(tmp_path):
    """Two images, the labels of one of them, and the YAML file that describes it."""
    root = tmp_path / "my yolo: 1"
    add(root, "a.jpg", "1 .5 .5 1 1")
    add(root, "b.jpg", "")
    (root / "data.yaml").write_text("train: images\nnames: [cat, dog]\n")
    return root
