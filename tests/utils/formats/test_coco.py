"""COCO annotations."""

import json

import pytest
from PIL import Image

from tests.helpers import SHARED, needs_shared
from utils.data.notes import (
    CLIPPED,
    IMAGES_REPEATED,
    IMAGES_SKIPPED,
    OTHER_CLASSES,
    REPAIRED,
    counts_by_subject,
)
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


def test_categories_not_asked_for_are_skipped_and_noted(tmp_path):
    index = read(tmp_path, content(), ["dog"])
    assert (len(index), index.labels.tolist()) == (3, [0])
    assert counts_by_subject(index.notes, OTHER_CLASSES) == {"fox": 1, "猫": 1}


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


def test_boxes_without_area_are_skipped_and_noted(tmp_path):
    data = content()
    data["annotations"][0]["bbox"] = [1, 2, 0, 4]
    data["annotations"][1]["bbox"] = [1, 2, float("inf"), 4]
    index = read(tmp_path, data)
    assert index.boxes.tolist() == [[9, 9, 10, 10]]
    (note,) = index.notes
    assert [reason for _, reason in note.problems] == [
        "annotation 2, image c.jpg: box 1, 2, inf, 4 (x, y, w, h) is not one of pixels",
        "annotation 1, image sub/a b.jpg: box 1, 2, 0, 4 (x, y, w, h) is empty",
    ]


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


def test_a_size_that_a_box_denies_is_read_from_the_image(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (40, 30)).save(tmp_path / "images" / "c.jpg")
    index = read(tmp_path, changed("images", 0, width=9, height=60))
    (note,) = index.notes
    assert index.sizes[0].tolist() == [30, 40] and note.kind == REPAIRED
    assert note.problems[0].reason == "image c.jpg: its size is 40x30, not 9x60"


def test_boxes_beyond_the_image_are_noted(tmp_path):
    (tmp_path / "images").mkdir()
    Image.new("RGB", (80, 60)).save(tmp_path / "images" / "c.jpg")
    index = read(tmp_path, changed("annotations", 1, bbox=[-2, 5, 90, 9]))
    (note,) = index.notes
    assert index.sizes[0].tolist() == [60, 80] and note.kind == CLIPPED
    assert (
        note.problems[0].reason == "image c.jpg: the box -2, 5, 88, 14 (x1, y1, x2, y2) reaches beyond 80x60"
    )


def test_corners_in_place_of_sizes_are_refused(tmp_path):
    data = content()
    data["annotations"] = [
        {"id": number, "image_id": 30, "category_id": 2, "bbox": box}
        for number, box in enumerate(([10, 10, 70, 55], [50, 30, 70, 50], [5, 5, 20, 58], [60, 20, 79, 59]))
    ]
    with pytest.raises(ValueError, match=r"4 of 4 boxes reach far beyond .* like the corners x1, y1, x2, y2"):
        read(tmp_path, data)
    for annotation in data["annotations"]:
        annotation["bbox"] = [-5, -5, 30, 30]  # no corners: clipped
    assert len(read(tmp_path, data).boxes) == 4


def test_one_file_listed_as_two_images_is_joined(tmp_path):
    index = read(tmp_path, changed("images", 1, file_name="c.jpg"))
    (note,) = index.notes
    assert [index.path(k).name for k in range(len(index))] == ["c.jpg", "empty.png"]
    assert index.box_offsets.tolist() == [0, 3, 3] and note.kind == REPAIRED
    assert note.problems[0].reason == "the images 30 and 10 are both c.jpg: joined"


def test_difficult_objects_have_a_key_of_our_own(tmp_path):
    index = read(tmp_path, changed("annotations", 0, difficult=1))
    assert index.difficult.tolist() == [False, True, False]


@pytest.mark.parametrize(
    "name", ["../a.jpg", "/etc/a.jpg", "sub/../../a.jpg", "..\\a.jpg", "C:/a.jpg", "\\a.jpg"]
)
def test_an_image_outside_its_folder_is_skipped(tmp_path, name):
    index = read(tmp_path, changed("images", 1, file_name=name))
    assert [index.path(k).name for k in range(len(index))] == ["c.jpg", "empty.png"]
    assert index.boxes.tolist() == [[0.5, 0, 10.5, 20]]
    (note,) = index.notes
    assert note.kind == IMAGES_SKIPPED and repr(name) in note.problems[0].reason
    with pytest.raises(ValueError, match=r"instances\.json: 3 of 3 images: image 30 has .*leads out"):
        images = [image | {"file_name": name + str(image["id"])} for image in content()["images"]]
        read(tmp_path, content() | {"images": images})


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
        (changed("categories", 1, name="dog"), "holds 'dog' more than once"),
        (changed("categories", 1, name="dog "), "holds 'dog' more than once"),
        (changed("categories", 1, name="a\nb"), r"class name 'a\\nb' has control characters"),
        (changed("categories", 1, name=""), "class name '' is empty"),
        (changed("categories", 1, name=None), "class name is not text"),
        (
            changed("categories", 1, id=9),
            "the category id 9 stands for 'dog' and '猫'.*a.json:images/ b.json",
        ),
        (changed("categories", 1, id=None), "category 1 of the list lacks an id or a name"),
        ({**content(), "categories": [3]}, "category 0 of the list lacks an id or a name"),
        ({**content(), "images": [{"id": 1}], "annotations": []}, "most of the images cannot be used"),
        ({**content(), "images": 3}, "its images are not a list"),
        ({**content(), "annotations": [3]}, "1 of 1 objects are bad.*\n.*annotation 0 .*not a JSON object"),
        ({**content(), "categories": [], "annotations": []}, "holds no class name"),
        ({"images": []}, "no annotations, categories"),
        ([{"image_id": 1}], "not a COCO annotation file"),
        (changed("categories", 0, name="\ud800"), "has control characters"),
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


@pytest.mark.parametrize(
    ("part", "number", "change", "reason"),
    [
        ("annotations", 1, {"image_id": 77}, "annotation 2: its image_id 77 is unknown"),
        ("annotations", 1, {"image_id": [1]}, "annotation 2: its image_id [1] is unknown"),
        (
            "annotations",
            2,
            {"category_id": 3},
            "annotation 3 (image sub/a b.jpg): its category_id 3 is unknown",
        ),
        ("annotations", 0, {"bbox": None}, "its bbox is missing, not four numbers"),
        ("annotations", 0, {"bbox": []}, "its bbox is [], not four numbers"),
        ("annotations", 0, {"bbox": [1, 2, 3]}, "its bbox is [1, 2, 3], not four numbers"),
        ("annotations", 0, {"bbox": [1, 2, 3, 4, 0.5]}, "its bbox is [1, 2, 3, 4, 0.5], not four"),
        ("annotations", 0, {"bbox": {"x": 1}}, "annotation 1 (image sub/a b.jpg): its bbox is {'x': 1}"),
        ("annotations", 0, {"bbox": "box."}, "its bbox is 'box.', not four numbers"),
        ("annotations", 0, {"bbox": [1, 2, [3], 4]}, "its bbox is [1, 2, [3], 4], not four numbers"),
        ("annotations", 0, {"bbox": [None] * 4}, "box None, None, None, None (x, y, w, h) is not one of"),
        ("images", 1, {"file_name": None}, "image 10 lacks an id or a file_name"),
        ("images", 1, {"file_name": "a\0.jpg"}, "image 10 lacks an id or a file_name"),
        ("images", 1, {"file_name": "\ud800.jpg"}, "image 10 lacks an id or a file_name"),
        ("images", 1, {"id": None}, "image 1 of the list lacks an id or a file_name"),
    ],
)
def test_a_bad_entry_is_skipped_and_named(tmp_path, part, number, change, reason):
    data = changed(part, number, **change)
    data["annotations"] += [
        {"id": k, "image_id": 30, "category_id": 2, "bbox": [9, 9, 9, 9]} for k in range(9)
    ]
    index = read(tmp_path, data)
    assert 9 < len(index.boxes) < 12
    reasons = [problem.reason for note in index.notes for problem in note.problems]
    assert any(reason in text for text in reasons), reasons
    assert all(problem.file.endswith("instances.json") for note in index.notes for problem in note.problems)


def test_a_missing_box_is_that_of_the_polygon(tmp_path):
    data = changed(
        "annotations", 0, bbox=None, segmentation=[[10, 12, 50, 10, 50, 52], [5, 20, 6, 20, 6, 25]]
    )
    index = read(tmp_path, data)
    assert index.boxes.tolist()[1] == [5, 10, 50, 52]
    (note,) = index.notes
    assert (note.kind, note.number) == (REPAIRED, 1)
    assert (
        note.problems[0].reason == "annotation 1 (image sub/a b.jpg): no bbox, so that of its polygon is used"
    )


def test_ids_as_text_and_as_numbers_belong_together(tmp_path):
    data = content()
    for entry in data["annotations"]:
        entry |= {"image_id": str(entry["image_id"]), "category_id": float(entry["category_id"])}
    data["categories"][0]["id"] = "9"
    index = read(tmp_path, data)
    assert index.labels.tolist() == [0, 2, 1] and index.class_names == ("猫", "fox", "dog")
    assert index.notes == ()


def test_an_image_listed_twice_is_one_image(tmp_path):
    data = content()
    index = read(tmp_path, data | {"images": [*data["images"], dict(data["images"][0])]})
    assert (len(index), len(index.boxes)) == (3, 3)
    assert [(note.kind, note.number) for note in index.notes] == [(IMAGES_REPEATED, 1)]


def test_an_id_that_stands_for_two_images_is_no_image(tmp_path):
    data = content()
    data["images"] += [{"id": 40 + k, "file_name": f"{k}.jpg"} for k in range(16)]
    data["images"].append({"id": 20, "file_name": "other.jpg"})
    index = read(tmp_path, data)
    assert [index.path(k).name for k in range(3)] == ["c.jpg", "a b.jpg", "0.jpg"] and len(index) == 18
    (note,) = index.notes
    assert (note.kind, note.number) == (IMAGES_SKIPPED, 2)
    assert "the image id 20 stands for empty.png and other.jpg" in note.problems[0].reason


def test_two_data_sets_joined_by_hand_are_refused(tmp_path):
    data = content()
    other = [image | {"file_name": f"other {k}.jpg"} for k, image in enumerate(data["images"])]
    with pytest.raises(
        ValueError, match=r"id 30 stands for c\.jpg and other 0\.jpg \(and 2 more ids\)"
    ) as error:
        read(tmp_path, data | {"images": data["images"] + other})
    assert "--train a.json:images/ b.json:images/" in str(error.value)


@pytest.mark.parametrize(("flag", "crowd"), [("1", True), (True, True), ("0", False), ("false", False)])
def test_flags_may_be_text(tmp_path, flag, crowd):
    assert read(tmp_path, changed("annotations", 0, iscrowd=flag)).crowd.tolist() == [True, crowd, False]


def test_fractions_are_refused(tmp_path):
    data = content()
    data["annotations"] = [
        {"id": k, "image_id": 30, "category_id": 2, "bbox": [0.1, 0.2, 0.3, 0.4]} for k in range(9)
    ]
    with pytest.raises(ValueError, match=r"instances\.json: 9 of 9 boxes have no coordinate above 1"):
        read(tmp_path, data)


def test_backslashes_separate_folders_unless_the_file_is_there(tmp_path):
    data = changed("images", 1, file_name="sub\\a.jpg")
    assert read(tmp_path, data).path(1) == tmp_path / "images" / "sub" / "a.jpg"
    (tmp_path / "images").mkdir()
    (tmp_path / "images" / "sub\\a.jpg").touch()
    assert read(tmp_path, data).path(1) == tmp_path / "images" / "sub\\a.jpg"


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
