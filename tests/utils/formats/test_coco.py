"""COCO annotations."""

import json

import pytest

from tests.helpers import SHARED, needs_shared
from utils.formats.coco import read_coco


def content():
    """Three images and four annotations; category ids with gaps, out of order."""
    return {
        "images": [
            {"id": 30, "file_name": "c.jpg", "height": 60, "width": 80},
            {"id": 10, "file_name": "sub/a b.jpg"},
            {"id": 20, "file_name": "empty.png", "height": 5, "width": 6},
        ],
        "categories": [{"id": 9, "name": "dog"}, {"id": 2, "name": "猫"}, {"id": 5, "name": "fox"}],
        "annotations": [
            {"id": 1, "image_id": 10, "category_id": 9, "bbox": [1, 2, 3, 4], "area": 5.5, "iscrowd": 0},
            {"id": 2, "image_id": 30, "category_id": 2, "bbox": [0.5, 0, 10, 20], "iscrowd": 1},
            {"id": 3, "image_id": 10, "category_id": 5, "bbox": [9, 9, 1, 1]},
        ],
    }


def read(folder, data, class_names=None):
    path = folder / "instances.json"
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii="\\ud800" in json.dumps(data))
    path.write_text(text, encoding="utf-8")
    return read_coco(path, folder / "images", class_names)


def test_reads_everything(tmp_path):
    index = read(tmp_path, content())
    assert index.class_names == ("猫", "fox", "dog")  # ids 2, 5, 9
    assert [index.path(i) for i in range(3)] == [
        tmp_path / "images" / name for name in ("c.jpg", "sub/a b.jpg", "empty.png")
    ]
    assert index.sizes.tolist() == [[60, 80], [0, 0], [5, 6]]
    assert index.box_offsets.tolist() == [0, 1, 3, 3]
    assert index.boxes.tolist() == [[0.5, 0, 10.5, 20], [1, 2, 4, 6], [9, 9, 10, 10]]
    assert index.labels.tolist() == [0, 2, 1]
    assert index.crowd.tolist() == [True, False, False]
    assert index.areas.tolist() == [200, 5.5, 1]  # 10 x 20 where the file does not say
    assert not index.difficult.any()


def test_matches_categories_by_name(tmp_path):
    index = read(tmp_path, content(), ["cow", "dog", "fox", "猫"])
    assert index.class_names == ("cow", "dog", "fox", "猫")
    assert index.labels.tolist() == [3, 1, 2]


def test_categories_not_asked_for_are_left_out_with_a_warning(tmp_path):
    with pytest.warns(UserWarning, match=r"not in the class list: fox \(1\), 猫 \(1\)"):
        index = read(tmp_path, content(), ["dog"])
    assert (len(index), index.labels.tolist()) == (3, [0])


def test_refuses_when_no_category_is_asked_for(tmp_path):
    with pytest.raises(ValueError, match=r"--classes.*dog \(1\)"):
        read(tmp_path, content(), ["cow"])


def test_a_category_that_only_heads_others_is_no_class(tmp_path):
    data = content()
    data["categories"] = [{**item, "supercategory": "animals"} for item in data["categories"]]
    data["categories"].append({"id": 0, "name": "animals", "supercategory": "none"})
    assert read(tmp_path, data).class_names == ("猫", "fox", "dog")
    data["annotations"][0]["category_id"] = 0  # used, so it is one after all
    assert read(tmp_path, data).class_names == ("animals", "猫", "fox", "dog")


def test_a_category_without_annotations_is_a_class(tmp_path):
    data = content()
    data["categories"].append({"id": 1, "name": "person", "supercategory": "person"})
    assert read(tmp_path, data).class_names == ("person", "猫", "fox", "dog")


def test_boxes_without_area_are_left_out_with_a_warning(tmp_path):
    data = content()
    data["annotations"][0]["bbox"] = [1, 2, 0, 4]
    data["annotations"][1]["bbox"] = [1, 2, float("inf"), 4]
    with pytest.warns(UserWarning, match="skipped 2 empty"):
        index = read(tmp_path, data)
    assert index.boxes.tolist() == [[9, 9, 10, 10]]


def test_areas_and_sizes_that_nothing_can_have_count_as_not_stated(tmp_path):
    data = content()
    for annotation, area in zip(data["annotations"], (-1, float("nan"), float("inf")), strict=True):
        annotation["area"] = area
    for image, height in zip(data["images"], (-5, float("nan"), 1e300), strict=True):
        image |= {"height": height, "width": 7}
    index = read(tmp_path, data)
    assert index.areas.tolist() == [200, 12, 1]
    assert not index.sizes.any()


def test_text_for_a_number_does_not_swell(tmp_path):
    data = changed("annotations", 2, bbox=[0, 0, "1" * 9, 10**8])  # as text times number, 0.9 GB
    assert read(tmp_path, data).areas.tolist()[:2] == [200, 5.5]


def test_no_annotation_at_all(tmp_path):
    index = read(tmp_path, {**content(), "annotations": []}, ["dog"])
    assert (len(index), index.boxes.shape) == (3, (0, 4))


def test_a_size_that_is_none_or_that_a_box_denies_is_not_known(tmp_path):
    """The box of c.jpg reaches to 10.5, 20: by a pixel less in the size, it may still be rounded."""
    for size, known in (
        ({"width": 11, "height": 20}, True),
        ({"width": 10, "height": 19}, True),
        ({"width": 9, "height": 60}, False),
        ({"width": 80, "height": 18}, False),
        ({"width": -80, "height": 60}, False),
        ({"width": 1e12, "height": 60}, False),
        ({"width": None, "height": 60}, False),
        ({"width": float("nan"), "height": 60}, False),
    ):
        index = read(tmp_path, changed("images", 0, **size))
        assert index.sizes.tolist() == [list(size.values())[::-1] if known else [0, 0], [0, 0], [5, 6]]


def test_difficult_objects_have_a_key_of_our_own(tmp_path):
    index = read(tmp_path, changed("annotations", 0, difficult=1))
    assert index.difficult.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "name", ["../a.jpg", "/etc/a.jpg", "sub/../../a.jpg", "..\\a.jpg", "C:/a.jpg", "\\a.jpg"]
)
def test_an_image_outside_its_folder_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"instances\.json: image 20 has the file_name .*leads out") as error:
        read(tmp_path, changed("images", 2, file_name=name))
    assert repr(name) in str(error.value)


def test_names_with_dots_and_folders_are_no_way_out(tmp_path):
    for name in ("..a.jpg", "a..b/c.jpg", "./a.jpg", "a:b.jpg"):
        assert read(tmp_path, changed("images", 2, file_name=name)).path(2) == tmp_path / "images" / name


def changed(part, number, **fields):
    data = content()
    data[part][number] |= fields
    return data


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (
            changed("annotations", 1, image_id=77),
            "1 annotations have an unknown image_id.*annotation 2 with.*77",
        ),
        (changed("annotations", 2, category_id=3), "1 annotations have an unknown category_id.*annotation 3"),
        (changed("images", 1, id=30), "an image id twice"),
        (changed("categories", 1, name="dog"), "several categories named dog"),
        (changed("annotations", 0, bbox=[1, 2, 3]), "COCO format: bbox is not 4 numbers"),
        (changed("annotations", 0, bbox="box."), "COCO format"),
        (changed("annotations", 0, area="large"), "COCO format"),
        (changed("images", 0, height="tall"), "COCO format"),
        (changed("annotations", 0, image_id=[1]), "COCO format"),
        (changed("images", 0, file_name=None), "COCO format"),
        (changed("categories", 0, id="nine"), "COCO format"),
        ({**content(), "images": [{"id": 1}], "annotations": []}, "an entry lacks 'file_name'"),
        ({**content(), "images": 3}, "COCO format"),
        ({**content(), "annotations": [3]}, "COCO format"),
        ({**content(), "categories": [], "annotations": []}, "no category"),
        ({"images": []}, "no annotations, categories"),
        ([{"image_id": 1}], "not a COCO annotation file"),
        (changed("images", 0, file_name="a\0.jpg"), "COCO format: a file_name holds the character NUL"),
        (changed("images", 0, file_name="\ud800.jpg"), "COCO format: 'utf-8' codec can't encode"),
        (changed("categories", 0, name="\ud800"), "COCO format: 'utf-8' codec can't encode"),
        (json.dumps(content()).replace("5.5", "5" * 5000), "cannot be read: Exceeds the limit"),
        (json.dumps(content())[:200], "cut off"),
        ("", "cut off"),
        ("[" * 100_000, "nests too deeply"),
    ],
)
def test_what_is_wrong_is_said_in_a_sentence(tmp_path, data, message):
    with pytest.raises(ValueError, match=message) as error:
        read(tmp_path, data)
    assert "instances.json" in str(error.value)


@needs_shared
def test_real_files():
    chess = SHARED / "data" / "chess" / "valid"
    index = read_coco(chess / "_annotations.coco.json", chess)
    assert (len(index), len(index.boxes), len(index.class_names)) == (
        58,
        386,
        13,
    )  # "pieces" heads the others
    crowds = read_coco(SHARED / "data" / "eval_cocoapi" / "instances_val2014_100.json", chess)
    assert (len(crowds), len(crowds.boxes), crowds.crowd.sum(), len(crowds.class_names)) == (100, 839, 9, 80)
