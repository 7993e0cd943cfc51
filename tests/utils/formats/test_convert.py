"""Converting between formats: what is written reads back the same, and what cannot be kept is counted."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from utils.data.class_names import read_classes
from utils.data.index import ImageRecord, build_index, flat_index
from utils.formats import plausible
from utils.formats.convert import convert, fit_format
from utils.formats.place_images import common_folder, distinct_names
from utils.formats.read_data import read_data

FORMATS = ("voc", "coco", "yolo", "list")
IMAGES = {
    "a.jpg": (640, 480),
    "b 图.png": (333, 500),
    "more/a.jpg": (7, 5),
    "more/c.x.JPG": (4000, 3),
}  # name: (width, height)
NAMES = ("no", "红 灯: <&> 'x'", "1e3", "cat")
SMALLEST = 0.0078125  # pixels; float32 tells it apart everywhere in the images


@pytest.fixture(scope="module", autouse=True)
def tiny_boxes_are_pixels():
    """Boxes here may be smaller than a pixel, all of them."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(plausible, "FEWEST", 1000)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("my images: 1")
    for name, size in IMAGES.items():
        (folder / name).parent.mkdir(exist_ok=True)
        Image.new("L", size).save(folder / name)
    return folder


@st.composite
def images(draw, inside=True, flags=True):
    """A record of an image (path from the folder) with boxes of any float32 corners; float32 areas."""
    name = draw(st.sampled_from(sorted(IMAGES)))
    width, height = IMAGES[name]
    rows = []
    for _ in range(draw(st.integers(0, 3))):
        if inside:
            rows.append([draw(pair(width)), draw(pair(height))])
        else:
            rows.append([draw(pair(1e6, -1e6)), draw(pair(1e6, -1e6))])
    boxes = np.array([[x1, y1, x2, y2] for (x1, x2), (y1, y2) in rows], np.float32).reshape(-1, 4)
    each = {"min_size": len(rows), "max_size": len(rows)}
    flag = st.lists(st.booleans() if flags else st.just(False), **each)
    areas = st.lists(st.floats(0, 1e9, width=32), **each)
    return ImageRecord(
        name,
        boxes,
        np.array(draw(st.lists(st.integers(0, 3), **each)), np.int32),
        difficult=np.array(draw(flag), bool),
        crowd=np.array(draw(flag), bool),
        areas=np.array(draw(areas), np.float32) if flags else None,
        size=(height, width),
    )


@st.composite
def pair(draw, largest, least=0.0):
    """Two float32 coordinates, the first smaller by at least `SMALLEST`, more where float32 is coarser."""
    first = draw(st.floats(least, np.float32(largest * 0.9), width=32))
    gap = max(SMALLEST, abs(first) * 1e-6)
    second = draw(st.floats(np.nextafter(np.float32(first + gap), np.float32(np.inf)), largest, width=32))
    return first, second


def index_of(folder, records):
    placed = [ImageRecord(**{**vars(one), "path": str(folder / one.path)}) for one in records]
    return build_index(placed, NAMES)


def content(index):
    """Everything that an index holds but the paths, one entry an image."""
    rows = []
    for image in range(len(index)):
        span = index.span(image)
        fields = (index.boxes, index.labels, index.difficult, index.crowd, index.areas)
        rows.append([index.sizes[image].tolist(), *(field[span].tolist() for field in fields)])
    return rows


def image_files(index):
    """The image files, whatever links lead to them."""
    return [index.path(image).resolve() for image in range(len(index))]


def round_trip(index, target, output, **options):
    """Convert, and read what was written by the spec that is printed."""
    shutil.rmtree(output, ignore_errors=True)
    done = convert(index, target, output, **options)
    return read_data(done.spec, read_classes(done.classes)), done


any_index = st.lists(images(), min_size=1, max_size=4, unique_by=lambda record: record.path)
plain = st.lists(images(flags=False), min_size=1, max_size=4)
quick = settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])


@quick
@given(st.lists(images(inside=False), min_size=1, max_size=4))
def test_coco_keeps_boxes_beyond_the_border(folder, tmp_path, records):
    """They deny the size. The right side is x + w in float64, so it is exact unless tiny beside x."""
    index = index_of(folder, records)
    again, done = round_trip(index, "coco", tmp_path / "out")
    assert [row[2:] for row in content(again)] == [row[2:] for row in content(index)]
    np.testing.assert_allclose(again.boxes, index.boxes, rtol=0, atol=1e-9)
    assert np.array_equal(again.boxes[:, :2], index.boxes[:, :2])
    assert again.class_names == NAMES and image_files(again) == image_files(index) and not done.changes


@quick
@given(any_index, st.sampled_from(["link", "none"]))
def test_coco_keeps_everything(folder, tmp_path, records, how):
    index = index_of(folder, records)
    again, _ = round_trip(index, "coco", tmp_path / "out", images=how)
    assert content(again) == content(index) and image_files(again) == image_files(index)


@quick
@given(plain)
def test_voc_keeps_every_digit(folder, tmp_path, records):
    index = index_of(folder, records)
    again, done = round_trip(index, "voc", tmp_path / "out")
    assert content(again) == content(index) and image_files(again) == image_files(index) and not done.changes
    assert again.class_names == NAMES


@quick
@given(plain)
def test_a_list_keeps_every_digit(folder, tmp_path, records):
    index = index_of(folder, records)
    again, done = round_trip(index, "list", tmp_path / "out")
    assert [row[1:] for row in content(again)] == [row[1:] for row in content(index)]
    assert image_files(again) == image_files(index) and not done.changes


@quick
@given(plain)
def test_yolo_keeps_boxes_to_a_millionth_of_a_pixel(folder, tmp_path, records):
    index = index_of(folder, records)
    again, done = round_trip(index, "yolo", tmp_path / "out")
    np.testing.assert_allclose(again.boxes, index.boxes, rtol=0, atol=1e-6)
    for name in ("sizes", "labels", "box_offsets"):
        assert np.array_equal(getattr(again, name), getattr(index, name)), name
    assert again.class_names == NAMES and image_files(again) == image_files(index) and not done.changes


@quick
@given(plain, st.permutations(FORMATS))
def test_a_way_through_all_formats_leads_back(folder, tmp_path, records, order):
    index = index_of(folder, records)
    start = index
    for target in order:
        index, done = round_trip(index, target, tmp_path / target)
        assert not done.changes
    np.testing.assert_allclose(index.boxes, start.boxes, rtol=0, atol=1e-6)
    for name in ("labels", "box_offsets", "difficult", "crowd"):
        assert np.array_equal(getattr(index, name), getattr(start, name)), name
    assert index.class_names == NAMES and image_files(index) == image_files(start)


def test_whole_pixels_come_back_exactly_from_yolo(tmp_path):
    """And so does every float32 that is not tiny beside the image."""
    Image.new("L", (1919, 1081)).save(tmp_path / "a.png")
    corners = np.arange(1, 1001, dtype=np.float32)
    boxes = np.stack([corners, corners * 0.7, corners + 838, corners * 0.7 + 1 / 3], axis=1)
    index = flat_index(NAMES, [str(tmp_path / "a.png")], [1000], boxes, np.zeros(1000))
    again, _ = round_trip(index, "yolo", tmp_path / "out")
    assert np.array_equal(again.boxes, boxes)


BOXES = np.array([[1, 2, 30, 40], [5, 6, 50, 60], [-9, 3, 20, 700], [650, 0, 660, 9]], np.float32)


def flagged(folder, size=(480, 640)):
    """Four objects: one difficult, one a crowd, one beyond the border, one outside; stated areas for two."""
    record = ImageRecord(
        str(folder / "a.jpg"),
        BOXES,
        np.arange(4, dtype=np.int32),
        difficult=np.array([True, False, False, False]),
        crowd=np.array([False, True, False, False]),
        areas=np.array([7, 45 * 54, 29 * 697, 8], np.float32),
        size=size,
    )
    return build_index([record], NAMES)


def test_voc_counts_what_it_cannot_hold(folder):
    index, changes = fit_format(flagged(folder), "voc")
    assert index.boxes.tolist() == [[1, 2, 30, 40], [5, 6, 50, 60], [0, 3, 20, 480]]
    assert index.difficult.tolist() == [True, True, False] and not index.crowd.any()
    assert list(changes.items()) == [
        ("crowds written as difficult: VOC has no crowds", 1),
        ("areas of outlines not kept: voc has no areas", 2),
        ("boxes clipped at the image border", 1),
        ("boxes dropped: outside their image", 1),
    ]


@pytest.mark.parametrize(("keep", "labels"), [(False, [2, 3]), (True, [0, 2, 3])])
def test_a_list_has_no_flags(folder, keep, labels):
    index, changes = fit_format(flagged(folder), "list", keep)
    assert index.labels.tolist() == labels and not (index.difficult | index.crowd).any()
    assert index.boxes.tolist() == BOXES[labels].tolist()
    assert changes["crowds dropped: list has no flag for them (iscrowd is 1)"] == 1
    assert any(change.startswith("difficult objects") for change in changes) and changes.total() == 3 + keep


def test_yolo_has_neither_flags_nor_boxes_beyond_the_border(folder):
    index, changes = fit_format(flagged(folder), "yolo")
    assert index.labels.tolist() == [2] and changes.total() == 5  # difficult, crowd, area, cut, outside


def test_wrong_sizes_are_corrected_and_counted(folder):
    index, changes = fit_format(flagged(folder, size=(640, 480)), "coco")
    assert index.sizes.tolist() == [[480, 640]]
    assert list(changes.items()) == [("sizes corrected: the images have another size than was stated", 1)]
    assert not fit_format(flagged(folder, size=(0, 0)), "coco")[1]  # not stated


def test_images_that_cannot_be_read_are_left_out_and_counted(tmp_path):
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8 cut")
    Image.new("L", (9, 9)).save(tmp_path / "good.png")
    paths = [str(tmp_path / name) for name in ("bad.jpg", "good.png")]
    index, changes = fit_format(flat_index(NAMES, paths, [0, 0], np.zeros((0, 4)), np.zeros(0)), "yolo")
    assert [index.path(image).name for image in range(len(index))] == ["good.png"]
    assert [(text.split(":")[0], count) for text, count in changes.items()] == [
        (f"unreadable images dropped, for example {paths[0]}", 1)
    ]
    bad = flat_index(NAMES, paths[:1], [0], np.zeros((0, 4)), np.zeros(0))
    with pytest.raises(ValueError, match="none of the images can be read"):
        convert(bad, "voc", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("name", ["", " ", "a\nb", "a\x00b", "\uffff"])
def test_class_names_that_no_list_can_hold_are_refused(folder, tmp_path, name):
    index = build_index([ImageRecord(str(folder / "a.jpg"))], [name])
    for target in FORMATS:
        with pytest.raises(ValueError, match="class name"):
            convert(index, target, tmp_path / "out")


def test_an_existing_folder_is_refused_and_nothing_is_left_of_a_failure(folder, tmp_path, monkeypatch):
    index = flagged(folder)
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "mine").touch()
    with pytest.raises(ValueError, match="out exists and is not empty"):
        convert(index, "coco", tmp_path / "out")
    monkeypatch.setattr("utils.formats.writers.json.dumps", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        convert(index, "coco", tmp_path / "new")
    assert [path.name for path in tmp_path.rglob("*")] == ["out", "mine"]


# Images


@pytest.mark.parametrize("target", FORMATS)
def test_copies_are_files_of_their_own(folder, tmp_path, target):
    index = index_of(folder, [ImageRecord(name) for name in IMAGES])
    again, _ = round_trip(index, target, tmp_path / "out", images="copy")
    for old, new in zip(image_files(index), image_files(again), strict=True):
        assert new.is_relative_to(tmp_path / "out") and not new.is_symlink()
        assert new.read_bytes() == old.read_bytes()
    names = [path.name for path in image_files(again)]
    assert names == ["a.jpg", "b 图.png", "a_2.jpg", "c.x.JPG"]


@pytest.mark.parametrize("target", ["voc", "yolo"])
def test_images_stay_where_they_are_if_their_names_tell_them_apart(folder, tmp_path, target):
    index = index_of(folder, [ImageRecord("b 图.png"), ImageRecord("a.jpg")])
    again, _ = round_trip(index, target, tmp_path / "out", images="none")
    assert sorted(image_files(again)) == sorted(image_files(index))
    for others in (["a.jpg", "more/a.jpg"], ["more/a.jpg", "b 图.png"]):
        with pytest.raises(ValueError, match="--images link or copy"):
            convert(index_of(folder, map(ImageRecord, others)), target, tmp_path / "other", images="none")


def test_an_image_that_another_hides_cannot_stay(tmp_path):
    for name in ("a.jpg", "a.png"):
        Image.new("L", (9, 9)).save(tmp_path / name)
    index = build_index([ImageRecord(str(tmp_path / "a.png"))], NAMES)
    with pytest.raises(ValueError, match=r"not .*a\.png: use --images link"):
        convert(index, "voc", tmp_path / "out", images="none")


def test_where_no_links_can_be_made_the_fix_is_told(folder, tmp_path, monkeypatch):
    monkeypatch.setattr(Path, "symlink_to", lambda *_: (_ for _ in ()).throw(OSError("not allowed")))
    with pytest.raises(ValueError, match=r"not allowed.*--images copy"):
        convert(flagged(folder), "voc", tmp_path / "out")
    assert list(tmp_path.iterdir()) == []


def test_dots_in_paths_are_no_way_out(folder, tmp_path):
    index = index_of(folder, [ImageRecord("more/../a.jpg"), ImageRecord("b 图.png")])
    again, _ = round_trip(index, "coco", tmp_path / "out", images="none")
    assert image_files(again) == image_files(index)


def test_names_are_told_apart():
    paths = ["x/a.jpg", "y/a.png", "z/A.jpg", "a_2.jpg", "x/a.jpg", " b .jpg", "b.jpg", ".c.png", "d\te.bmp"]
    names = distinct_names([Path(path) for path in paths])
    assert names == [
        "a.jpg", "a_2.png", "A_3.jpg", "a_2_2.jpg", "a_4.jpg", "b.jpg", "b_2.jpg", "c.png", "d_e.bmp"
    ]  # fmt: skip
    assert distinct_names([Path("e\u0301.jpg"), Path("\u00e9.jpg")]) == ["e\u0301.jpg", "\u00e9_2.jpg"]
    with pytest.raises(ValueError, match=r"a\.gif has none of the suffixes"):
        distinct_names([Path("a.gif")])


def test_the_common_folder():
    assert common_folder([Path("/x/y/a.jpg"), Path("/x/y/z/b.jpg"), Path("/x/yy/c.jpg")]) == Path("/x")
    assert common_folder([Path("/x/y/a.jpg")]) == Path("/x/y")
