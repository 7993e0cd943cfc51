"""Drawing: where lines, tags and images land, and what is refused."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from utils.data.detections import Detections
from utils.draw.boxes import draw_boxes, draw_detections
from utils.draw.palette import class_colours
from utils.draw.thumbnails import contact_sheet
from utils.images.image_io import read_image, save_image

NAMES = ("dog", "猫", "very long name of a class that is wider than any image")


def grey(height=240, width=320):
    return np.full((height, width, 3), 128, np.uint8)


def found(*boxes, label=0, score=0.87):
    number = len(boxes)
    return Detections(
        np.array(boxes, np.float32).reshape(-1, 4), np.full(number, score, np.float32), np.full(number, label)
    )


def changed(image, original=None):
    """Rows and columns that the drawing touched: top, bottom, left, right, inclusive."""
    touched = np.any(image != (grey(*image.shape[:2]) if original is None else original), axis=2)
    rows, columns = np.flatnonzero(touched.any(1)), np.flatnonzero(touched.any(0))
    return rows[0], rows[-1], columns[0], columns[-1]


def test_the_input_stays_as_it_was():
    image = grey()
    drawn = draw_detections(image, found([50, 60, 150, 200]), NAMES)
    assert np.all(image == 128)
    assert drawn.shape == image.shape
    assert drawn.dtype == np.uint8


def test_no_detection_gives_the_same_image():
    np.testing.assert_array_equal(draw_detections(grey(), Detections.empty(), NAMES), grey())


def test_the_box_is_drawn_at_its_place_in_its_colour():
    image = draw_detections(grey(), found([50.2, 60.4, 149.8, 200.1]), NAMES)
    assert tuple(image[130, 50]) == class_colours(3)[0]  # left edge
    assert tuple(image[130, 149]) == class_colours(3)[0]  # right edge: the last column within
    assert tuple(image[199, 100]) == class_colours(3)[0]  # lower edge
    assert tuple(image[130, 100]) == (128, 128, 128)
    top, bottom, left, right = changed(image)
    assert abs(bottom - 199) <= 2
    assert abs(right - 149) <= 2
    assert abs(left - 50) <= 2
    assert top < 58  # the tag stands above


def test_the_tag_of_a_box_at_the_upper_edge_goes_below():
    image = draw_detections(grey(), found([50, 0, 250, 200]), NAMES)
    assert np.all(image[4:190, 60:240] == 128)
    assert np.any(np.all(image[204:216, 52:100] == class_colours(3)[0], axis=2))


def test_the_tag_of_a_box_as_high_as_the_image_lies_inside():
    image = draw_detections(grey(), found([50, 0, 250, 240]), NAMES)
    assert np.any(np.all(image[2:14, 56:100] == class_colours(3)[0], axis=2))


def test_the_tag_at_the_right_edge_moves_left():
    image = draw_detections(grey(), found([310, 100, 319, 200]), NAMES)
    assert changed(image)[2] < 290


@pytest.mark.parametrize("name", ["狗", "дом", "ネコ", "고양이", "Ärger"])
def test_names_in_other_scripts_have_their_glyphs(name):
    """The letters are drawn, and are not the question marks that stand for a missing glyph."""
    box, label = np.array([[50, 60, 150, 200]]), np.array([0])
    image = draw_boxes(grey(), box, label, [name])
    unknown = draw_boxes(grey(), box, label, ["?" * len(name)])
    assert np.any(image != unknown)
    plain = draw_boxes(grey(), box, label, [" " * len(name)])
    assert np.any(image != plain)


def test_scores_are_written_only_if_given():
    box, label = np.array([[50, 60, 150, 200]]), np.array([0])
    without = changed(draw_boxes(grey(), box[:, [0, 1, 0, 1]] + [0, 0, 1, 1], label, NAMES))
    with_score = changed(
        draw_boxes(grey(), box[:, [0, 1, 0, 1]] + [0, 0, 1, 1], label, NAMES, np.array([0.5]))
    )
    assert with_score[3] > without[3] + 10


def test_lines_grow_with_the_image():
    def thickness(side):
        image = draw_boxes(grey(side, side), np.array([[0.2, 0.5, 0.8, 0.9]]) * side, np.array([0]), NAMES)
        return int(np.sum(np.all(image[int(0.7 * side)] == class_colours(1)[0], axis=1))) / 2

    assert thickness(2000) >= 2 * thickness(320) > 0


def test_an_image_that_is_long_and_thin_has_names_too():
    image = draw_detections(grey(120, 8000), found([4000, 50, 4090, 110]), NAMES)
    assert changed(image)[0] < 45, "the tag above"


def test_the_best_box_lies_on_top():
    detections = Detections(
        np.array([[50, 60, 150, 200]] * 2, np.float32), np.array([0.9, 0.2], np.float32), np.array([0, 1])
    )
    assert tuple(draw_detections(grey(), detections, NAMES)[130, 50]) == class_colours(3)[0]


@pytest.mark.parametrize(
    "box",
    [
        [-500, -500, -100, -100],
        [400, 300, 500, 400],
        [np.nan, 0, 10, 10],
        [1e9, 1e9, 2e9, 2e9],
        [100, 100, 50, 50],
    ],
)
def test_what_is_not_on_the_image_is_not_drawn(box):
    np.testing.assert_array_equal(draw_detections(grey(), found(box), NAMES), grey())


def test_a_box_beyond_the_image_has_no_edge_at_the_border():
    image = draw_boxes(grey(), np.array([[100, 50, 1e12, 150]]), np.array([0]), NAMES)
    assert tuple(image[120, 319]) == (128, 128, 128)
    assert tuple(image[50, 319]) == class_colours(3)[0]


@settings(max_examples=60, deadline=None)
@given(
    st.integers(1, 90),
    st.integers(1, 90),
    st.lists(st.lists(st.floats(-1e6, 1e6), min_size=4, max_size=4), max_size=6),
    st.integers(0, 2),
)
def test_any_boxes_on_any_image(height, width, boxes, label):
    image = draw_detections(grey(height, width), found(*boxes, label=label), NAMES)
    assert image.shape == (height, width, 3)


def test_hundreds_of_boxes():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 300, (400, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(2, 90, (400, 2))], 1)
    assert np.any(draw_detections(grey(), found(*boxes), NAMES) != 128)


@pytest.mark.parametrize("background", [0, 255, "own"])
def test_lines_are_seen_on_any_background(background):
    """Beside the colour's line runs one of black or white: one of the two differs from what is below."""
    colour = class_colours(3)[0]
    image = np.zeros((240, 320, 3), np.uint8) + np.array(
        colour if background == "own" else background, np.uint8
    )
    drawn = draw_detections(image, found([50, 60, 150, 200]), NAMES).astype(int)
    edge = np.abs(drawn[130, 46:56] - image[130, 46:56].astype(int)).sum(-1)
    assert edge.max() > 200


def test_names_of_crowded_boxes_are_all_readable():
    """Five boxes one upon the other: with all tags above, four of five names were lost."""
    boxes = [[100 + 3 * k, 100 + 3 * k, 200 + 3 * k, 200 + 3 * k] for k in range(5)]
    names = tuple("abcde")
    detections = Detections(
        np.array(boxes, np.float32), np.linspace(0.9, 0.5, 5).astype(np.float32), np.arange(5)
    )
    image = draw_detections(grey(480, 640), detections, names)
    for colour in class_colours(5):
        filled = np.all(image == colour, axis=2)
        # 40 x 15 pixels of a tag less its letters; the four sides of a line have 2 * 4 * 100
        rows = sum(row.sum() > 12 and row.sum() < 60 for row in filled)
        assert rows >= 12, "rows with the colour as wide as a tag"


def test_contact_sheet_keeps_shapes_and_order():
    red, blue = np.zeros((50, 100, 3), np.uint8), np.zeros((100, 50, 3), np.uint8)
    red[..., 0], blue[..., 2] = 200, 200
    sheet = contact_sheet([red, blue, red], columns=2, cell=(100, 100), gap=10)
    assert sheet.shape == (2 * 110 + 10, 2 * 110 + 10, 3)
    is_red = np.all(sheet == (200, 0, 0), axis=2)
    is_blue = np.all(sheet == (0, 0, 200), axis=2)
    assert is_red[:120].sum() == 100 * 50  # 100 wide, 50 high within the cell of 100 x 100
    assert is_blue[:, 110:].sum() == 50 * 100
    assert is_red[120:].sum() == 100 * 50
    assert is_red[35, 10]  # centred: 10 of gap and (100 - 50) / 2 = 25 above
    assert not is_red[34, 10]


def test_contact_sheet_of_nothing():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])


@pytest.mark.parametrize("name", ["a.png", "图 片.PNG", "new/folder/a.bmp", "a.tiff"])
def test_saved_images_read_back_the_same(tmp_path, name):
    image = np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8)
    save_image(tmp_path / name, image)
    np.testing.assert_array_equal(read_image(tmp_path / name), image)
    assert [path.name for path in (tmp_path / name).parent.iterdir()] == [(tmp_path / name).name]


def test_saved_jpeg_has_the_colours_in_order(tmp_path):
    image = np.zeros((32, 32, 3), np.uint8)
    image[..., 0] = 200
    save_image(tmp_path / "a.jpg", image)
    assert np.abs(read_image(tmp_path / "a.jpg").astype(int) - [200, 0, 0]).max() < 8


@pytest.mark.parametrize("name", ["a.xyz", "a", "a.gif"])
def test_unknown_extension_is_refused(tmp_path, name):
    with pytest.raises(ValueError, match=r"extensions \.jpg"):
        save_image(tmp_path / name, grey())
    assert list(tmp_path.iterdir()) == []


def test_an_image_too_large_for_the_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"cannot save .*a\.jpg"):
        save_image(tmp_path / "a.jpg", np.zeros((1, 70000, 3), np.uint8))
    assert list(tmp_path.iterdir()) == []


def test_of_many_boxes_all_are_drawn_and_the_first_have_labels(monkeypatch):
    monkeypatch.setattr("utils.draw.boxes.MAX_LABELS", 1)
    image = grey(240, 320)
    boxes = np.array([(20, 60, 60, 100), (200, 60, 240, 100)], np.float32)
    drawn = (draw_boxes(image, boxes, np.array([0, 0]), ["cat"]) != image).any(axis=2)
    assert drawn[60:100, 20:60].any() and drawn[60:100, 200:240].any()
    assert drawn[:55, :160].any() and not drawn[:55, 160:].any()
