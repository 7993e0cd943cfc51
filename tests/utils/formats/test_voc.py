"""Pascal VOC folders."""

import unicodedata

import numpy as np
import pytest
from PIL import Image

from tests.helpers import SHARED, needs_shared
from tests.utils.formats.voc_folder import add_image, add_split, xml
from utils.formats.voc import clip_boxes, images_without_xml, read_voc
from utils.formats.voc_folder import open_voc, read_ids

BOX = (10, 20, 30, 40)


def test_clips_boxes_and_says_which_are_unusable():
    boxes = np.array(
        [[0, 0, 100, 80], [-5, 10, 120, 40], [30, 0, 20, 9], [5, 5, 5, 9], [100, 0, 110, 9]], np.float32
    )
    clipped, faults = clip_boxes(boxes, (80, 100))
    assert clipped[:2].tolist() == [[0, 0, 100, 80], [0, 10, 100, 40]]
    assert faults[:2] == ["", ""]
    assert [fault.split(" is ")[1] for fault in faults[2:]] == [
        "inverted",
        "empty",
        "outside the image of 100x80",
    ]


@pytest.mark.parametrize("suffix", [".jpg", ".JPEG", ".png", ".bmp", ".WebP", ".tif", ".TIFF"])
def test_finds_an_image_by_its_stem(tmp_path, suffix):
    add_image(tmp_path, "a.b c.图", xml([("cat", BOX)]), suffix)
    add_split(tmp_path, "train", "a.b c.图")
    index = read_voc(tmp_path, "train", ["cat"]).index
    assert index.path(0) == tmp_path / "JPEGImages" / f"a.b c.图{suffix}"


def test_ids_with_dots_do_not_collide(tmp_path):
    for name, number in (("a", 1), ("a.b", 2), ("a.b.c", 3)):
        add_image(tmp_path, name, xml([("cat", BOX)] * number))
    add_split(tmp_path, "train", "a.b.c", "a", "a.b")
    index = read_voc(tmp_path, "train").index
    assert [index.path(i).name for i in range(3)] == ["a.b.c.jpg", "a.jpg", "a.b.jpg"]
    assert np.diff(index.box_offsets).tolist() == [3, 1, 2]


def test_composed_and_decomposed_letters_are_the_same_id(tmp_path):
    add_image(tmp_path, unicodedata.normalize("NFD", "Bär"), xml([("cat", BOX)]))
    add_split(tmp_path, "train", unicodedata.normalize("NFC", "Bär"))
    assert len(read_voc(tmp_path, "train").index) == 1


def test_hidden_files_are_no_images(tmp_path):
    add_image(tmp_path, "a", xml())
    (tmp_path / "Annotations" / "._a.xml").write_bytes(b"\0\5")  # macOS archives leave these
    assert list(open_voc(tmp_path).annotations) == ["a"]


def test_an_image_whose_xml_has_no_object_is_an_image(tmp_path):
    add_image(tmp_path, "a", xml())
    add_split(tmp_path, "train", "a")
    result = read_voc(tmp_path, "train", ["cat"])
    assert (len(result.index), len(result.index.boxes), result.problems) == (1, 0, [])


def test_difficult_objects_are_kept_and_flagged(tmp_path):
    add_image(tmp_path, "a", xml([("dog", BOX), ("cat", BOX, 1)]))
    add_split(tmp_path, "test", "a")
    index = read_voc(tmp_path, "test").index
    assert index.class_names == ("cat", "dog")  # the names found, sorted
    assert index.labels.tolist() == [1, 0]
    assert index.difficult.tolist() == [False, True]
    assert index.sizes.tolist() == [[80, 100]]


def test_what_is_broken_is_reported_and_the_rest_kept(tmp_path):
    add_image(tmp_path, "good", xml([("cat", BOX), ("cat", (90, 70, 105, 80))]))
    add_image(tmp_path, "strange", xml([("cat", BOX), ("bird", BOX), ("bird", BOX)]))
    add_image(
        tmp_path, "boxes", xml([("cat", (5, 5, 1, 9)), ("cat", (1, 1, 1, 1)), ("cat", (200, 1, 210, 9))])
    )
    add_image(tmp_path, "broken", "<annotation>")
    add_image(tmp_path, "no_xml")
    (tmp_path / "Annotations" / "no_image.xml").write_text(xml([("cat", BOX)]))
    add_split(tmp_path, "train", "good", "strange", "boxes", "broken", "no_xml", "no_image", "good")
    result = read_voc(tmp_path, "train", ["cat"])
    assert [result.index.path(i).stem for i in range(len(result.index))] == ["good", "strange", "boxes"]
    assert result.index.boxes.tolist() == [list(BOX), [90, 70, 100, 80], list(BOX)]
    assert result.clipped == 1
    assert result.found == {"cat": 6, "bird": 2} and result.unknown_names == {"bird": 2}
    reported = {(problem.file.split("/")[-1], problem.reason) for problem in result.problems}
    for file, reason in [
        ("train.txt", "good is listed 2 times"),
        ("strange.xml", "class not in the list: bird (2)"),
        ("boxes.xml", "box 5, 5, 1, 9 is inverted"),
        ("boxes.xml", "box 1, 1, 1, 1 is empty"),
        ("boxes.xml", "box 200, 1, 210, 9 is outside the image of 100x80"),
        ("no_xml.xml", "no such XML for the image no_xml.jpg; image skipped"),
        ("no_image.xml", f"no image no_image.* in {tmp_path.name}/JPEGImages; image skipped"),
    ]:
        assert (file, reason) in reported
    assert any(file == "broken.xml" and "unreadable XML" in reason for file, reason in reported)
    assert len(reported) == 8


@pytest.mark.parametrize("name", ["/etc/passwd", "../../b", "[b]", "**", "b\x07"])
def test_ids_that_are_no_names(tmp_path, name):
    add_image(tmp_path, "a", xml([("cat", (1, 1, 9, 9))]))
    (tmp_path / "JPEGImages" / "b.heic").touch()
    add_split(tmp_path, "train", "a", name)
    found = read_voc(tmp_path, "train", ["cat"])
    assert len(found.index) == 1 and f"no image {name}.*" in found.problems[0][1]


def test_an_image_of_another_format_is_named(tmp_path):
    add_image(tmp_path, "a", xml([("cat", (1, 1, 9, 9))]))
    (tmp_path / "JPEGImages" / "b.heic").touch()
    add_split(tmp_path, "train", "a", "b")
    found = read_voc(tmp_path, "train", ["cat"])
    assert "but b.heic, which is not an image format that can be read" in found.problems[0][1]


def test_images_without_xml_can_be_taken_as_empty(tmp_path):
    add_image(tmp_path, "a", xml([("cat", BOX)]))
    add_image(tmp_path, "b")
    add_split(tmp_path, "train", "a", "b")
    assert [problem.file.split("/")[-1] for problem in images_without_xml(open_voc(tmp_path))] == ["b.xml"]
    result = read_voc(tmp_path, "train", empty_without_xml=True)
    assert (len(result.index), result.problems) == (2, [])


@pytest.mark.parametrize("size", [None, (0, 0), ("", "x")])
def test_a_size_that_the_xml_lacks_comes_from_the_image(tmp_path, size):
    add_image(tmp_path, "a", xml([("cat", (50, 50, 500, 500))], size), size=(100, 80))
    add_split(tmp_path, "train", "a")
    index = read_voc(tmp_path, "train").index
    assert index.boxes.tolist() == [[50, 50, 100, 80]] and index.sizes.tolist() == [[80, 100]]


def test_a_wrong_size_in_the_xml_does_not_cut_boxes(tmp_path):
    add_image(tmp_path, "a", xml([("cat", (50, 50, 95, 75))], size=(60, 60)), size=(100, 80))
    add_split(tmp_path, "train", "a")
    result = read_voc(tmp_path, "train")
    assert result.index.boxes.tolist() == [[50, 50, 95, 75]] and result.clipped == 0
    assert [problem.reason for problem in result.problems] == ["size 60x60 in the XML, 100x80 in the image"]


def test_the_size_of_a_turned_image_is_that_of_the_upright_one(tmp_path):
    add_image(tmp_path, "a", xml([("cat", (10, 10, 70, 95))], size=None))
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (100, 80)).save(tmp_path / "JPEGImages" / "a.jpg", exif=exif)
    add_split(tmp_path, "train", "a")
    result = read_voc(tmp_path, "train")
    assert result.index.sizes.tolist() == [[100, 80]]
    assert result.index.boxes.tolist() == [[10, 10, 70, 95]]


def test_an_image_that_is_none_is_reported_where_its_size_is_needed(tmp_path):
    add_image(tmp_path, "a", xml([("cat", BOX)], size=None))
    (tmp_path / "JPEGImages" / "a.jpg").write_bytes(b"no image")
    add_split(tmp_path, "train", "a")
    result = read_voc(tmp_path, "train")
    assert len(result.index) == 0 and "unreadable image" in result.problems[0].reason


def test_two_images_for_one_xml_are_reported(tmp_path):
    add_image(tmp_path, "a", xml([("cat", BOX)]), ".png")
    add_image(tmp_path, "a", None, ".jpg")
    add_split(tmp_path, "train", "a")
    result = read_voc(tmp_path, "train")
    assert result.index.path(0).name == "a.jpg"
    assert "a.jpg, a.png" in result.problems[0].reason


def test_a_missing_split_or_folder_is_named(tmp_path):
    add_image(tmp_path, "a", xml())
    add_split(tmp_path, "val", "a")
    with pytest.raises(ValueError, match=r"train\.txt does not exist \(splits found: val\)"):
        read_ids(tmp_path, "train")
    with pytest.raises(ValueError, match="Annotations does not exist"):
        open_voc(tmp_path / "JPEGImages")


@needs_shared
def test_bccd():
    root = SHARED / "data" / "bccd" / "VOCdevkit" / "VOC2007"
    results = [read_voc(root, split, ["RBC", "WBC", "Platelets"]) for split in ("train", "val", "test")]
    assert [len(result.index) for result in results] == [205, 87, 72]
    assert [len(result.problems) for result in results] == [1, 1, 0]  # two boxes are empty in the original
