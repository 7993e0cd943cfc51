"""YOLO text labels: where they lie, what their lines mean, and what people get wrong."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from tests.helpers import ROOT, SHARED, needs_shared
from tests.utils.fuzzing import fuzz
from utils.data.class_names import read_classes
from utils.data.notes import CLIPPED, FILES_UNUSED, IMAGES_SKIPPED, NO_LABEL_FILE, OBJECTS_SKIPPED
from utils.formats.coco import read_coco
from utils.formats.yolo import read_yolo, read_yolo_folder, read_yolo_pair

NAMES = ("cat", "dog", "fox")


def add(folder, name, text=None, size=(200, 100), labels="labels"):
    """An image in `folder/images`, and its label file if there is a text."""
    for part in ("images", labels):
        (folder / part).mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size).save(folder / "images" / name)
    if text is not None:
        (folder / labels / f"{name.rpartition('.')[0]}.txt").write_text(text, encoding="utf-8")


def read(folder, text, size=(200, 100)):
    add(folder, "a.jpg", text, size)
    return read_yolo_folder(folder / "images", NAMES)


def test_boxes_are_fractions_of_width_and_height(tmp_path):
    index = read(tmp_path, "1 0.5 0.5 0.25 0.5\n\n2 .1 .9 .2 .2")
    # centre 100, 50 and size 50 x 50 of 200 x 100; centre 20, 90 and size 40 x 20
    assert index.boxes.tolist() == [[75, 25, 125, 75], [0, 80, 40, 100]]
    assert index.areas.tolist() == [2500, 800]
    assert index.labels.tolist() == [1, 2] and index.class_names == NAMES
    assert index.sizes.tolist() == [[100, 200]]
    assert index.path(0) == tmp_path / "images" / "a.jpg"


def test_an_outline_gives_its_box_and_its_own_area(tmp_path):
    index = read(tmp_path, "0 0.25 0.5 0.75 0.5 0.75 1.0\n1 .5 .5 .5 .5\n")
    assert index.boxes.tolist() == [[50, 50, 150, 100], [50, 25, 150, 75]]
    assert index.areas.tolist() == [2500, 5000]  # a triangle: half of 100 x 50


def test_the_size_is_that_of_the_upright_image(tmp_path):
    add(tmp_path, "a.jpg", "0 .5 .5 1 1")
    exif = Image.Exif()
    exif[0x0112] = 6  # lies on its side
    Image.new("RGB", (200, 100)).save(tmp_path / "images" / "a.jpg", exif=exif)
    assert read_yolo_folder(tmp_path / "images", NAMES).boxes.tolist() == [[0, 0, 100, 200]]


def test_boxes_are_cut_at_the_border(tmp_path):
    index = read(tmp_path, "0 0.0 0.5 0.5 1.0005\n0 1.0 1.0 .5 .5\n")
    assert index.boxes.tolist() == [[0, 0, 50, 100], [150, 75, 200, 100]]


def test_images_below_are_read_in_order_with_the_labels_that_there_are(tmp_path):
    for name, text in (("b 图.x.png", "0 .5 .5 1 1"), ("a.JPG", None), ("c.jpg", "")):
        add(tmp_path, name, text)
    add(tmp_path / "images" / "sub", "d.jpg", "1 .5 .5 1 1", labels="images")
    (tmp_path / "images" / ".hidden.jpg").touch()
    add(tmp_path / "images" / ".thumbnails", "e.jpg")
    (tmp_path / "images" / "notes.txt").write_text("no label")
    index = read_yolo_folder(tmp_path / "images", NAMES)
    assert [index.path(image).name for image in range(4)] == ["a.JPG", "b 图.x.png", "c.jpg", "d.jpg"]
    assert np.diff(index.box_offsets).tolist() == [0, 1, 0, 1]


def test_labels_beside_the_images(tmp_path):
    add(tmp_path, "a.jpg", "1 .5 .5 1 1", labels="images")
    assert read_yolo_folder(tmp_path / "images", NAMES).labels.tolist() == [1]


def test_no_label_file_at_all_is_noted(tmp_path):
    add(tmp_path, "a.jpg")
    index = read_yolo_folder(tmp_path / "images", NAMES)
    (note,) = index.notes
    assert (len(index), note.kind, note.number) == (1, NO_LABEL_FILE, 1)
    assert note.problems[0].reason == f"no a.txt in {tmp_path / 'labels'}"


def test_folders_of_any_name(tmp_path):
    for name, text in (("a", "0 .5 .5 1 1"), ("b", ""), ("c", None), ("d", "1 .5 .5 1 1")):
        add(tmp_path, f"{name}.jpg", text, labels="my annotations")
    (tmp_path / "images" / "d.jpg").unlink()
    (tmp_path / "my annotations" / "classes.txt").write_text("cat\n")
    index = read_yolo_pair(tmp_path / "my annotations", tmp_path / "images", NAMES)
    assert [index.path(image).name for image in range(2)] == ["a.jpg", "b.jpg"]
    assert len(index) == 2 and index.boxes.tolist() == [[0, 0, 200, 100]]
    assert [(note.kind, Path(note.problems[0].file).name) for note in index.notes] == [
        (FILES_UNUSED, "d.txt"),
        (IMAGES_SKIPPED, "c.jpg"),
    ]
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match=r"no text file in .*has the name of an image"):
        read_yolo_pair(tmp_path / "empty", tmp_path / "images", NAMES)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("3 .5 .5 1 1", r"class 3 in '3 .5 .5 1 1', but there are 3 classes: 0 to 2"),
        ("-1 .5 .5 1 1", "class -1"),
        ("0.5 .5 .5 1 1", "class 0.5"),
        ("nan .5 .5 1 1", "class nan"),
        ("0 100 50 20 20", "not fractions of the image"),
        ("0 -0.6 .5 .5 .5", "not fractions"),
        ("0 nan .5 .5 .5", "not fractions"),
        ("0 inf .5 .5 .5", "not fractions"),
        ("0 .5 .5 0 .5", "is empty"),
        ("0 .1 .1 .5 .1 .9 .1", "is empty"),  # an outline without height
        ("0 1.001 .5 .001 .5", "is outside the image"),  # beyond the border
        ("0", "is not class, cx, cy, w, h or"),
        ("0 .5 .5 .5", "is not class, cx"),
        ("0 .5 .5 .5 .5 .9", "a sixth column, as a confidence of predictions"),
        ("0 .5 .5 .2 .2 .5 .5 2", "looks like a box and keypoints"),
        ("0 .1 .1 .5 .1 .9 .1 .3", "is not class, cx"),
        ("cat .5 .5 .5 .5", "'cat .5 .5 .5 .5' is not numbers separated by blanks"),
        ("0,.5,.5,.5,.5", "is not numbers separated by blanks"),
        ("0 " + "0.5 " * 100 + "x", r"'0 0\.5.{70,90}\.\.\.' is not numbers separated by blanks"),
        ("0 1.3 .5 .5 .5", "is outside the image"),
        ("0 .5 .5 1e-12 .5", "is far smaller than a pixel"),
    ],
)
def test_a_bad_line_is_skipped_and_named(tmp_path, line, message):
    index = read(tmp_path, f"0 .5 .5 1 1\n{line}\n")
    (note,) = index.notes
    assert (len(index.boxes), note.kind, note.number) == (1, OBJECTS_SKIPPED, 1)
    (problem,) = note.problems
    assert problem.file == str(tmp_path / "labels" / "a.txt") and problem.reason.startswith("line 2: ")
    assert re.search(message, problem.reason)


def test_if_most_lines_are_bad_they_are_named_together_up_to_ten(tmp_path):
    add(tmp_path, "b.jpg", "9 .5 .5 1 1\n" * 6)
    with pytest.raises(ValueError, match="11 of 12 objects are bad: correct the label lines") as error:
        read(tmp_path, "0 .5 .5 1 1\n" + "9 .5 .5 1 1\n" * 5)
    message = str(error.value)
    assert "a.txt: line 6:" in message and "b.txt: line 5:" in message and "b.txt: line 6" not in message
    assert "and 1 more" in message


def test_an_image_whose_label_file_is_no_text_is_skipped(tmp_path):
    add(tmp_path, "b.jpg", "")
    (tmp_path / "labels" / "b.txt").write_bytes(b"\xff\x00")
    index = read(tmp_path, "0 .5 .5 1 1")
    assert [index.path(k).name for k in range(len(index))] == ["a.jpg"]
    assert [(note.kind, note.number) for note in index.notes] == [(IMAGES_SKIPPED, 1)]
    assert "is not UTF-8 text" in index.notes[0].problems[0].reason


def test_utf_16_labels_of_windows_are_read(tmp_path):
    add(tmp_path, "a.jpg", "")
    (tmp_path / "labels" / "a.txt").write_text("0 .5 .5 1 1\n", encoding="utf-16")
    assert len(read_yolo_folder(tmp_path / "images", NAMES).boxes) == 1


def test_without_one_usable_image_the_reasons_are_told(tmp_path):
    add(tmp_path, "a.jpg", "")
    (tmp_path / "labels" / "a.txt").write_bytes(b"\xff\x00")
    with pytest.raises(ValueError, match=r"has no usable image:\n.*a\.txt is not UTF-8 text"):
        read_yolo_folder(tmp_path / "images", NAMES)


def test_corners_in_place_of_sizes_are_refused(tmp_path):
    corners = "0 .1 .1 .9 .9\n0 .2 .2 .9 .7\n0 .6 .6 .9 .9\n0 .3 .2 .5 .8\n0 .5 .5 .7 .6\n"
    with pytest.raises(ValueError, match=r"4 of 5 boxes reach far beyond .* like the corners x1, y1, x2, y2"):
        read(tmp_path, corners)
    assert len(read(tmp_path, corners + "0 .6 .6 .3 .3\n").boxes) == 6  # no corners


def test_boxes_a_little_outside_are_clipped_and_noted(tmp_path):
    index = read(tmp_path, "0 .5 .5 1.0021 1\n0 -.04 .5 .2 .2\n0 .1 .1 .5 .1 1.0021 .9\n0 .5 .5 1.0005 1")
    assert index.boxes.round(3).tolist() == [
        [0, 0, 200, 100],
        [0, 40, 12, 60],
        [20, 10, 200, 90],
        [0, 0, 200, 100],  # within rounding: not noted
    ]
    (note,) = index.notes
    assert (note.kind, note.number) == (CLIPPED, 3)
    assert note.problems[1].reason == "line 2: the box -0.14, 0.4, 0.06, 0.6 reaches beyond the image"


def test_classes_counted_from_one_are_refused(tmp_path):
    with pytest.raises(ValueError, match="class numbers go from 1 to 3, as if counted from 1"):
        read(tmp_path, "1 .5 .5 1 1\n2 .5 .5 .5 .5\n3 .5 .5 1 1\n1 .5 .5 1 1")
    assert len(read(tmp_path, "0 .5 .5 1 1\n3 .5 .5 .5 .5\n").boxes) == 1


def test_keypoints_follow_the_box_where_the_data_says_so(tmp_path):
    add(tmp_path, "a.jpg", "0 .5 .5 .2 .4 .4 .4 .6 .6\n1 .5 .5 1 1\n0 .5 .5 .2 .4 .4 .4\n")
    index = read_yolo([str(tmp_path / "images" / "a.jpg")], NAMES, "data", keypoints=4)
    assert index.boxes.tolist() == [[80, 30, 120, 70], [0, 0, 200, 100]]
    assert "has 2 columns after the box, but kpt_shape means 4" in index.notes[0].problems[0].reason


def test_missing_images_are_named_together(tmp_path):
    add(tmp_path, "a.jpg", "0 .5 .5 1 1")
    images = [str(tmp_path / "images" / f"{name}.jpg") for name in "abcdefghijklm"]
    with pytest.raises(ValueError, match=r"12 of 13 images of my\.txt do not exist") as error:
        read_yolo(images, NAMES, "my.txt")
    assert images[10] in str(error.value) and "and 2 more" in str(error.value)


def test_images_that_cannot_be_read_are_skipped_and_noted(tmp_path):
    for name in ("a", "b"):
        add(tmp_path, f"{name}.jpg", "0 .5 .5 1 1")
    (tmp_path / "images" / "a.jpg").write_bytes(b"\xff\xd8 cut")
    index = read_yolo_folder(tmp_path / "images", NAMES)
    (note,) = index.notes
    assert (note.kind, note.problems[0].file) == (IMAGES_SKIPPED, str(tmp_path / "images" / "a.jpg"))
    assert (len(index), index.path(0).name, len(index.boxes)) == (1, "b.jpg", 1)


def mutated(text, at, length, new):
    at = at % (len(text) + 1)
    return text[:at] + new + text[at + length :]


REAL = "45 0.479492 0.688771 0.955609 0.5955\n50 0.637063 0.732938 0.494125 0.510583\n"
near = st.builds(
    mutated,
    st.just(REAL),
    st.integers(0, 99),
    st.integers(0, 9),
    st.text("0123456789.-e \n\tnaif_", max_size=5),
)


@fuzz
@given(st.one_of(near, st.text(), st.text("01.- e\n", max_size=60), st.binary(max_size=60)))
def test_any_file_gives_sound_boxes_or_a_value_error(tmp_path_factory, content):
    folder = tmp_path_factory.getbasetemp() / "fuzz"
    if not folder.exists():
        add(folder, "a.png", "")
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    (folder / "labels" / "a.txt").write_bytes(data)
    try:
        index = read_yolo_folder(folder / "images", range(80))
    except ValueError:
        return
    assert np.isfinite(index.boxes).all() and (index.boxes[:, 2:] > index.boxes[:, :2]).all()
    assert (index.boxes >= 0).all() and (index.boxes <= [200, 100, 200, 100]).all()
    assert ((index.labels >= 0) & (index.labels < 80)).all() and np.isfinite(index.areas).all()


def by_name(index):
    """What each image holds, boxes in a settled order."""
    found = {}
    for image in range(len(index)):
        span = index.span(image)
        rows = np.column_stack([index.labels[span], index.boxes[span]])
        found[index.path(image).name] = rows[np.lexsort(rows.round().T[::-1])]
    return found


def assert_same(one, other, tolerance):
    """The same images, sizes, classes and boxes, boxes to within `tolerance` pixels."""
    first, second = by_name(one), by_name(other)
    assert first.keys() == second.keys()
    for name, rows in first.items():
        np.testing.assert_allclose(second[name], rows, rtol=0, atol=tolerance, err_msg=name)
    sizes = [{i.path(n).name: i.sizes[n].tolist() for n in range(len(i))} for i in (one, other)]
    assert sizes[0] == sizes[1]


@needs_shared
def test_voc100_is_the_same_as_yolo_and_as_coco():
    """Six decimals of a fraction of at most 500 pixels: centre and half a size, .5e-6 * 500 * 1.5 = .0004."""
    folder = SHARED / "data" / "voc100"
    names = read_classes(folder / "gts" / "yolo_format" / "obj.names")
    yolo = read_yolo_pair(folder / "gts" / "yolo_format" / "obj_train_data", folder / "images", names)
    coco = read_coco(folder / "gts" / "coco_format_v1" / "instances_default.json", folder / "images")
    assert (len(yolo), len(yolo.boxes)) == (100, 273) and yolo.class_names == coco.class_names
    assert_same(coco, yolo, tolerance=4e-4)


@needs_shared
def test_coco128_is_the_same_as_yolo_and_as_coco():
    """Six digits of a fraction of at most 640 pixels: .5e-6 * 640 * 1.5 = .0005."""
    folder = SHARED / "data" / "coco128"
    pascal = {"potted plant": "pottedplant", "dining table": "diningtable", "airplane": "aeroplane"}
    pascal |= {"couch": "sofa", "motorcycle": "motorbike", "tv": "tvmonitor"}  # the JSON has VOC's names
    names = [pascal.get(name, name) for name in read_classes(ROOT / "model_data" / "coco_classes.txt")]
    images = folder / "images" / "train2017"
    yolo, coco = read_yolo_folder(images, names), read_coco(folder / "instances_train128.json", images, names)
    assert (len(yolo), len(yolo.boxes)) == (128, 929)
    assert_same(coco, yolo, tolerance=5e-4)
