"""Anchors: sizes as the network sees them, fits by hand, and properties of k-means for any boxes."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nets.heads.anchor_head import YOLOV3_ANCHORS
from utils.data.index import ImageRecord, build_index
from utils.models import anchor_kmeans as anchors
from utils.models.anchor_kmeans import anchor_fit, box_sizes, kmeans_anchors, to_array, to_levels

SIDES = st.floats(0.001, 5000)
BOXES = st.lists(st.tuples(SIDES, SIDES), min_size=3, max_size=60).map(np.array)


def record(path="a.jpg", size=(100, 200), boxes=((0, 0, 20, 10),), **flags):
    boxes = np.array(boxes, np.float32).reshape(-1, 4)
    return ImageRecord(str(path), boxes, np.zeros(len(boxes), np.int32), size=size, **flags)


# Sizes


def test_boxes_are_scaled_as_the_letterbox_scales_their_image():
    """100 x 200 on 64 x 64: by 64 / 200 = .32. 50 x 40 by 64 / 50 = 1.28, where 40 becomes 51, not 51.2."""
    index = build_index([record(), record(size=(50, 40))], ["a"])
    found = box_sizes(index, (64, 64))
    assert found == pytest.approx(np.array([[20 * 0.32, 10 * 0.32], [20 * 51 / 40, 10 * 1.28]]))


def test_only_boxes_that_are_trained_on_count():
    boxes = [(0, 0, 10, 10), (0, 0, 20, 20), (0, 0, 30, 30)]
    flags = {"difficult": np.array([0, 1, 0], bool), "crowd": np.array([0, 0, 1], bool)}
    index = build_index([record(size=(64, 64), boxes=boxes, **flags), record(boxes=())], ["a"])
    assert box_sizes(index, (64, 64)).tolist() == [[10, 10]]


def test_sizes_that_are_not_known_are_read_from_the_images(tmp_path):
    Image.new("RGB", (200, 100)).save(tmp_path / "a.jpg")
    paths = [tmp_path / "a.jpg", tmp_path / "gone.jpg"]
    index = build_index([record(path, size=(0, 0)) for path in paths], ["a"])
    assert box_sizes(index, (64, 64)) == pytest.approx(np.array([[6.4, 3.2]]))


def test_a_part_of_many_images_is_spread_over_them():
    sized = [record(size=(64, 64), boxes=[(0, 0, n + 1, 1)]) for n in range(100)]
    found = box_sizes(build_index(sized, ["a"]), (64, 64), max_images=4)
    assert found[:, 0].tolist() == [1, 34, 67, 100]


# Fit


def test_fit_by_hand():
    """Anchors 10 x 10 and 40 x 20.

    10 x 10 overlaps itself: 1. 20 x 20: with the first 100 / 400, with the second 400 / 800: .5. 41 x 10:
    with the first 100 / 410, with the second 400 / (410 + 800 - 400): .494. 200 x 20: more than 4 times as
    wide as 40; overlap 800 / 4000 = .2.
    """
    sizes = np.array([[10, 10], [20, 20], [41, 10], [200, 20]], float)
    fit = anchor_fit(sizes, np.array([[10, 10], [40, 20]], float))
    assert fit.recall == 0.75
    assert fit.mean_iou == pytest.approx((1 + 0.5 + 400 / 810 + 0.2) / 4)


def test_a_factor_of_four_counts_both_ways_and_no_more():
    anchor = np.array([[20.0, 20.0]])
    for sides, fits in (((5, 80), 1), ((4.9, 20), 0), ((20, 81), 0), ((80, 5), 1)):
        assert anchor_fit(np.array([sides], float), anchor).recall == fits


# k-means


def test_clear_clusters_are_found():
    """Three kinds of boxes, each with one size in the middle: their medians, smallest area first."""
    kinds = [(100, 300), (10, 20), (50, 40)]
    sizes = np.array([(w + d, h - d) for w, h in kinds for d in (-1, 0, 0, 1)], float)
    assert kmeans_anchors(sizes, 3).tolist() == [[10, 20], [50, 40], [100, 300]]


def test_it_starts_from_boxes_far_apart():
    """Fifty boxes of about 10 x 10, and one each of two other kinds: all kinds are drawn."""
    rng = np.random.default_rng(0)
    sizes = np.concatenate([10 + 0.01 * rng.random((50, 2)), [[1000, 1000], [10, 1000]]])
    for seed in range(20):
        drawn = anchors._initial_anchors(sizes, np.ones(52), 3, np.random.default_rng(seed))
        assert {tuple(size) for size in drawn.round(-1)} == {(10, 10), (1000, 1000), (10, 1000)}


def test_an_empty_cluster_takes_the_box_that_fits_worst():
    """The median of 10, 30 and 31 is 30; of these boxes, 10 x 10 fits it worst."""
    sizes = np.array([[10, 10], [30, 30], [31, 31], [50, 50]], float)
    orders = [np.argsort(side) for side in sizes.T]
    centres = anchors._centres(sizes, np.ones(4, int), np.array([0, 0, 0, 2]), 3, orders)
    assert centres.tolist() == [[30, 30], [10, 10], [50, 50]]


def test_medians_count_each_box_as_often_as_it_is_there():
    sizes = np.array([[10, 40], [20, 30], [30, 20]], float)
    orders = [np.argsort(side) for side in sizes.T]
    centres = anchors._centres(sizes, np.array([1, 1, 3]), np.zeros(3, int), 1, orders)
    assert centres.tolist() == [[30, 20]]


@settings(max_examples=60, deadline=None)
@given(BOXES, st.integers(1, 9), st.integers(0, 3), st.randoms(use_true_random=False))
def test_what_k_means_promises(sizes, number, seed, random):
    distinct = np.unique(np.maximum(sizes.round(2), 0.01), axis=0)
    if len(distinct) < number:
        with pytest.raises(ValueError, match=f"{len(distinct)} different sizes.*{number} anchors"):
            kmeans_anchors(sizes, number, seed)
        return
    found = kmeans_anchors(sizes, number, seed)
    assert found.shape == (number, 2) and np.isfinite(found).all() and (found > 0).all()
    assert (np.diff(found.prod(axis=1)) >= 0).all()
    overlaps = np.stack([anchors._iou(distinct, anchor) for anchor in found])
    assert len(np.unique(overlaps.argmax(axis=0))) == number  # each anchor is the best of some box
    exact, rng = np.maximum(sizes.round(2), 0.01), np.random.default_rng(seed)
    drawn = [distinct[rng.choice(len(distinct), number, replace=False)] for _ in range(10)]
    by_chance = np.mean([anchor_fit(exact, boxes).mean_iou for boxes in drawn])
    assert anchor_fit(exact, found).mean_iou >= by_chance - 1e-9
    shuffled = sizes.tolist()
    random.shuffle(shuffled)
    assert (kmeans_anchors(np.array(shuffled), number, seed) == found).all()


def test_of_very_many_boxes_some_are_drawn(monkeypatch):
    sizes = np.exp(np.random.default_rng(0).normal(3.5, 1.0, (6000, 2)))
    whole = anchor_fit(sizes, kmeans_anchors(sizes, 6)).mean_iou
    monkeypatch.setattr(anchors, "MAX_BOXES", 1500)
    one = anchors._kmeans
    drawn = []
    monkeypatch.setattr(
        anchors, "_kmeans", lambda sizes, *more: drawn.append(len(sizes)) or one(sizes, *more)
    )
    found = kmeans_anchors(sizes, 6)
    assert max(drawn) <= 1500 and anchor_fit(sizes, found).mean_iou == pytest.approx(whole, abs=0.01)
    assert (found == kmeans_anchors(sizes[::-1], 6)).all()


def test_levels_get_as_many_each_in_whole_pixels():
    found = to_levels(np.array([[0.2, 1.4], [2.6, 3], [10, 9.5], [50.5, 40]]), 2)
    assert found == (((1, 1), (3, 3)), ((10, 10), (50, 40)))
    assert to_levels(to_array(YOLOV3_ANCHORS), 3) == YOLOV3_ANCHORS
