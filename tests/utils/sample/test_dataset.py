"""The sample data: the same every time, exact boxes, a folder that the reader takes."""

import cv2
import numpy as np
import pytest

from utils.formats.read_data import read_data
from utils.sample.dataset import SAMPLE_CLASSES, _covered, _extent, _paste, sample_image
from utils.sample.shapes import SHAPES, Part, Sprite, box, distractor, draw_sprite
from utils.sample.writer import write_sample_data

PALETTE = dict.fromkeys(
    ["main", "second", "light", "dark", "line", "glass", "white", "black"], (9.0, 99.0, 200.0)
)


@pytest.fixture(scope="module")
def images():
    return [sample_image(0, number) for number in range(60)]


def test_same_seed_same_image(images):
    for number in (0, 7, 31):
        again = sample_image(0, number)
        np.testing.assert_array_equal(again.image, images[number].image)
        np.testing.assert_array_equal(again.boxes, images[number].boxes)


def test_other_seed_other_image(images):
    assert not np.array_equal(sample_image(1, 4).image, images[4].image)


def test_boxes_lie_within_the_image_and_have_an_area(images):
    for image in images:
        height, width = image.image.shape[:2]
        assert image.image.dtype == np.uint8
        assert image.boxes.shape == (len(image.labels), 4)
        assert np.all(image.boxes >= 0)
        assert np.all(image.boxes <= [width, height, width, height])
        assert np.all(image.boxes[:, 2:] - image.boxes[:, :2] >= 4)


def test_truncated_things_touch_the_border(images):
    cut = 0
    for image in images:
        height, width = image.image.shape[:2]
        touches = np.any(image.boxes == [0, 0, width, height], axis=1)
        assert np.all(touches[image.truncated])
        cut += image.truncated.sum()
    assert cut > 0


def test_all_classes_occur_and_some_images_are_empty(images):
    assert set(np.concatenate([image.labels for image in images])) == set(range(len(SAMPLE_CLASSES)))
    numbers = [len(image.labels) for image in images]
    assert min(numbers) == 0
    assert 3 <= max(numbers) <= 6


def test_most_things_are_large_enough_to_learn(images):
    sides = [
        (image.boxes[:, 2:] - image.boxes[:, :2]).max(1) * 320 / max(image.image.shape[:2])
        for image in images
    ]
    assert np.mean(np.concatenate(sides) >= 28) > 0.9  # pixels where the longer side becomes 320


def test_colour_does_not_tell_the_class(images):
    """The mean colours of the classes differ by less than the colours within one class."""
    colours = [[] for _ in SAMPLE_CLASSES]
    for image in images:
        for (left, top, right, bottom), label in zip(image.boxes, image.labels, strict=True):
            middle = image.image[(top + bottom) // 2, (left + right) // 2]
            colours[label].append(middle)
    within = np.mean([np.std(seen, axis=0) for seen in colours])
    between = np.std([np.mean(seen, axis=0) for seen in colours], axis=0).mean()
    assert between < 0.5 * within


def test_extent_of_a_drawn_square():
    # Half a side of 10 around (30, 20): columns 20 to 39, rows 10 to 29: the box ends at 40, 30.
    sprite = draw_sprite([Part(box(-1, -1, 1, 1), "main")], PALETTE, 10 * np.eye(2), (30, 20))
    found, cut, area = _extent(sprite, (100, 100))
    np.testing.assert_allclose(found, [20, 10, 40, 30], atol=1)
    assert not cut
    assert area == pytest.approx(400, rel=0.11)


def test_extent_at_the_border_is_cut_but_the_area_is_whole():
    sprite = draw_sprite([Part(box(-1, -1, 1, 1), "main")], PALETTE, 10 * np.eye(2), (5, 20))
    found, cut, area = _extent(sprite, (24, 100))
    assert cut
    assert found[0] == 0
    assert found[3] == 24
    assert area == pytest.approx(400, rel=0.11)


def test_a_hole_is_cut_out():
    parts = [Part(box(-1, -1, 1, 1), "main"), Part(box(-0.5, -0.5, 0.5, 0.5), "hole")]
    sprite = draw_sprite(parts, PALETTE, 20 * np.eye(2), (0, 0))
    assert sprite.alpha[-sprite.top, -sprite.left] == 0
    assert sprite.alpha[-sprite.top, -sprite.left + 15] == 1


def test_paste_leaves_the_rest_alone_and_takes_the_colour_inside():
    image = np.full((60, 60, 3), 128, np.float32)
    sprite = draw_sprite([Part(box(-1, -1, 1, 1), "main")], PALETTE, 10 * np.eye(2), (30, 30))
    _paste(image, sprite, light=0.0)
    np.testing.assert_allclose(image[30, 30], PALETTE["main"])
    np.testing.assert_array_equal(image[2, 58], 128)


def test_paste_far_outside_changes_nothing():
    image = np.full((20, 20, 3), 128, np.float32)
    _paste(image, Sprite(np.ones((5, 5, 3), np.float32), np.ones((5, 5), np.float32), 300, -300), 0.0)
    np.testing.assert_array_equal(image, 128)


def test_covered_marks_what_lies_below():
    owner = np.full((10, 10), -1, np.int64)
    lower = Sprite(np.zeros((4, 4, 3), np.float32), np.ones((4, 4), np.float32), 0, 0)
    upper = lower._replace(left=2)
    after = _covered(_covered(owner, lower, 0), upper, 1)
    assert np.bincount(after[after >= 0]).tolist() == [8, 16]  # half of the lower one is hidden


@pytest.mark.parametrize("shape", [*SHAPES.values(), distractor])
def test_shapes_stay_near_the_unit_square_and_vary(shape):
    seen = set()
    for seed in range(30):
        parts = shape(np.random.default_rng(seed))
        points = np.concatenate([part.outline for part in parts])
        assert np.abs(points).max() <= 1.4
        assert {part.paint for part in parts} <= {*PALETTE, "hole"}
        seen.add(points.tobytes())
    assert len(seen) > 5


def test_written_folder_is_read_back(tmp_path):
    write_sample_data(tmp_path, seed=3, splits={"train": 4, "val": 2, "test": 2})
    year = tmp_path / "VOC2007"
    assert [path.name for path in tmp_path.iterdir()] == ["VOC2007"]
    assert (year / "classes.txt").read_text(encoding="utf-8").split() == list(SAMPLE_CLASSES)
    main = year / "ImageSets" / "Main"
    assert (main / "trainval.txt").read_text().split() == [f"{k:06d}" for k in range(6)]
    index = read_data(f"{year}:test", SAMPLE_CLASSES)
    assert len(index) == 2
    for image, number in enumerate((6, 7)):
        drawn = sample_image(3, number)
        np.testing.assert_array_equal(index.boxes[index.span(image)], drawn.boxes)
        np.testing.assert_array_equal(index.labels[index.span(image)], drawn.labels)
        decoded = cv2.cvtColor(cv2.imread(str(index.path(image))), cv2.COLOR_BGR2RGB).astype(int)
        assert np.abs(decoded - drawn.image).mean() < 12


def test_existing_year_is_not_touched(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    with pytest.raises(ValueError, match="VOC2007 exists already"):
        write_sample_data(tmp_path, splits={"train": 1})
    assert list((tmp_path / "VOC2007").iterdir()) == []


def test_another_year_beside_it(tmp_path):
    (tmp_path / "VOC2007").mkdir()
    write_sample_data(tmp_path, year="VOC2031", splits={"test": 1})
    assert (tmp_path / "VOC2031" / "JPEGImages" / "000000.jpg").is_file()
    assert "<folder>VOC2031</folder>" in (tmp_path / "VOC2031" / "Annotations" / "000000.xml").read_text()


def test_a_failure_leaves_nothing_behind(tmp_path, monkeypatch):
    monkeypatch.setattr("utils.sample.dataset.sample_image", lambda seed, number: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write_sample_data(tmp_path, splits={"train": 1})
    assert list(tmp_path.iterdir()) == []
