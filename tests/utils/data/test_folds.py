"""The folds of a data set: disjoint, complete, of equal size, and with each class spread over them."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.folds import assign_folds, stratify
from utils.data.index import ImageRecord, build_index


def index_of(*labels, difficult=()):
    """A data set with an image for each sequence of labels; the objects of `difficult` images are so."""
    return build_index(
        [
            ImageRecord(
                f"{number}.jpg",
                np.tile(np.array([[0, 0, 9, 9]], np.float32), (len(row), 1)),
                np.array(row, np.int32),
                difficult=np.full(len(row), number in difficult),
            )
            for number, row in enumerate(labels)
        ],
        ["a", "b", "c"],
    )


@st.composite
def classes_and_folds(draw):
    number, classes = draw(st.integers(2, 40)), draw(st.integers(1, 6))
    rows = draw(st.lists(st.integers(0, 2**classes - 1), min_size=number, max_size=number))
    present = np.array([[row >> label & 1 for label in range(classes)] for row in rows], bool)
    return present, draw(st.integers(2, number))


@given(classes_and_folds())
def test_each_image_is_in_one_fold_and_sizes_differ_by_one_at_most(case):
    present, folds = case
    fold_of = stratify(present, folds)
    sizes = np.bincount(fold_of, minlength=folds)
    assert len(fold_of) == len(present) and len(sizes) == folds
    assert sizes.max() - sizes.min() <= 1


@given(classes_and_folds())
def test_the_rarest_class_is_spread_evenly(case):
    present, folds = case
    totals = present.sum(0)
    if totals.any():
        rarest = np.where(totals, totals, 1000).argmin()
        counts = np.bincount(stratify(present, folds)[present[:, rarest]], minlength=folds)
        assert counts.max() - counts.min() <= 1


@given(classes_and_folds())
def test_images_with_objects_are_in_each_fold_if_there_are_enough(case):
    present, folds = case
    with_objects = present.any(1)
    counts = np.bincount(stratify(present, folds)[with_objects], minlength=folds)
    assert (counts > 0).sum() == min(folds, with_objects.sum())


@given(st.lists(st.integers(0, 4), min_size=4, max_size=60), st.integers(2, 4))
def test_with_one_class_an_image_all_are_spread_evenly(labels, folds):
    present = np.eye(5, dtype=bool)[labels]
    fold_of = stratify(present, folds)
    for label in range(5):
        counts = np.bincount(fold_of[present[:, label]], minlength=folds)
        assert counts.max() - counts.min() <= 1


@given(classes_and_folds())
def test_the_same_every_time(case):
    assert stratify(*case).tolist() == stratify(*case).tolist()


def test_a_rare_class_beside_a_common_one():
    """Three of twelve images have b, which a random choice puts into one of three folds rather often."""
    fold_of = assign_folds(index_of(*[[0, 0]] * 9, *[[0, 1]] * 3), 3)
    assert sorted(fold_of[9:]) == [1, 2, 3] and np.bincount(fold_of).tolist() == [0, 4, 4, 4]


def test_images_without_objects_are_spread_too():
    fold_of = assign_folds(index_of(*[[0]] * 4, *[[]] * 4), 2)
    assert np.bincount(fold_of[:4]).tolist() == np.bincount(fold_of[4:]).tolist() == [0, 2, 2]


def test_the_order_is_not_that_of_the_list():
    assert assign_folds(index_of(*[[0]] * 12), 3).tolist() != [1, 2, 3] * 4


def test_too_few_images_with_objects():
    with pytest.raises(ValueError, match="--folds 3: only 2 of 4 images have objects to learn from"):
        assign_folds(index_of([0], [1], [], [2], difficult=[3]), 3)
