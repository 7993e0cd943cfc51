"""The sample images: the same every time, with exact boxes."""

import numpy as np
import pytest

from tests.utils.sample.test_sprite import PALETTE
from utils.sample.dataset import SAMPLE_CLASSES, _covered, _extent, _paste, sample_image
from utils.sample.shapes import Part, box
from utils.sample.sprite import Sprite, draw_sprite


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
