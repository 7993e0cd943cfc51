"""Objects pasted into other samples, and rectangles cut out: pixels and boxes agree."""

import numpy as np

from utils.augment.paste_and_cutout import (
    MAX_PASTES,
    copy_objects,
    covered_fractions,
    cut_out,
    paste_and_cut_out,
)
from utils.augment.settings import Augmentation
from utils.data.targets import Objects


def two_samples():
    """A grey sample with a red object, and a black one without any."""
    images = np.stack([np.full((60, 80, 3), 100, np.uint8), np.zeros((60, 80, 3), np.uint8)])
    images[0, 10:25, 20:40] = (250, 0, 0)
    return images, Objects(np.array([0]), np.array([[20.0, 10, 40, 25]]), np.array([3]))


def test_hidden_shares_by_hand():
    boxes = np.array([[0.0, 0, 10, 10], [5, 5, 15, 15], [20, 20, 30, 30]])
    assert covered_fractions(boxes, np.array([5, 0, 15, 10])).tolist() == [0.5, 0.5, 0]


def test_copies_lie_where_their_boxes_say():
    for seed in range(20):
        images, objects = two_samples()
        after = copy_objects(images, objects, 1, np.random.default_rng(seed))
        copies = after.boxes[after.sample == 1].astype(int)
        assert 1 <= len(copies) <= MAX_PASTES and set(after.labels.tolist()) == {3}
        red = np.zeros((60, 80), bool)
        for x1, y1, x2, y2 in copies:
            assert (x2 - x1, y2 - y1) == (20, 15) and min(x1, y1) >= 0 and x2 <= 80 and y2 <= 60
            red[y1:y2, x1:x2] = True
        assert ((images[1, ..., 0] == 250) == red).all()
        assert (images[0] == two_samples()[0][0]).all() and after.of(after.sample == 0).boxes.tolist() == [
            [20, 10, 40, 25]
        ]


def test_copies_do_not_hide_what_is_there():
    for seed in range(20):
        images, _ = two_samples()
        there = Objects(np.array([0, 1]), np.array([[20.0, 10, 40, 25], [30, 20, 50, 40]]), np.array([3, 1]))
        after = copy_objects(images, there, 1, np.random.default_rng(seed))
        for box in after.boxes[(after.sample == 1) & (after.labels == 3)]:
            assert covered_fractions(there.boxes[1:], box)[0] <= 0.3
    whole = Objects(np.array([0, 1]), np.array([[20.0, 10, 40, 25], [0, 0, 6, 4]]), np.array([3, 1]))
    images[1], crowded = 0, Objects(*(np.concatenate([part, part[:0]]) for part in whole))
    assert (np.diff(copy_objects(images, crowded, 1, np.random.default_rng(0)).sample) >= 0).all()


def test_nothing_to_copy():
    images, objects = two_samples()
    assert copy_objects(images, objects, 0, np.random.default_rng(0)) is objects
    assert (images == two_samples()[0]).all()


def test_what_is_cut_out_is_grey_and_hidden_objects_are_gone():
    gone = 0
    for seed in range(200):
        images, objects = two_samples()
        after = cut_out(images, objects, 0, 0.2, 114, np.random.default_rng(seed))
        assert (images[1] == 0).all()
        left = (images[0, 10:25, 20:40, 0] == 250).mean()
        assert len(after.labels) == (left >= 0.2 - 1e-9)
        gone += len(after.labels) == 0
        share = (images[0] == 114).all(axis=2).mean()
        assert 0.1 * 0.1 * 0.8 < share < 0.4 * 0.4 * 1.1
    assert 0 < gone < 40


def test_each_has_its_own_switch():
    generators = [np.random.default_rng(seed) for seed in range(2)]
    images, objects = two_samples()
    assert paste_and_cut_out(images, objects, Augmentation(), generators, 114) is objects
    assert (images == two_samples()[0]).all()
    pasted = paste_and_cut_out(images, objects, Augmentation(copy_paste=1), generators, 114)
    assert (pasted.sample == 1).any() and not (images[1] == 114).any()
    images, objects = two_samples()
    paste_and_cut_out(images, objects, Augmentation(cut_out=1), generators, 114)
    assert all((image == 114).any() for image in images) and not (images[1, ..., 0] == 250).any()
