"""Class weights: by hand, by the data, and from a file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data.index import ImageRecord, build_index, count_objects
from utils.train.class_weights import (
    MAX_WEIGHT_RATIO,
    auto_weights,
    choose_class_weights,
    read_class_weights,
    weights_line,
)

NAMES = ("cat", "dog", "small fox", "鱼")


def index_of(*labels, **flags):
    boxes = np.tile(np.array([[1, 2, 30, 40]], np.float32), (len(labels), 1))
    return build_index([ImageRecord("a.jpg", boxes, np.array(labels, np.int32), **flags)], NAMES)


def test_by_hand():
    # Inverse roots of 100, 25 and 4 by the first: 1, 2, 5; over all 129 objects their mean is 170 / 129.
    found = auto_weights(np.array([100, 25, 4, 0]))
    assert found == pytest.approx((129 / 170, 2 * 129 / 170, 5 * 129 / 170, 1.0))


def test_a_class_of_few_objects_does_not_count_for_all():
    common, rare = auto_weights(np.array([1_000_000, 1]))
    assert rare == pytest.approx(MAX_WEIGHT_RATIO * common) and common == pytest.approx(1, rel=1e-4)


@given(st.lists(st.integers(0, 10**6), min_size=1, max_size=20).filter(any))
def test_the_mean_over_objects_is_1_and_rarer_never_counts_less(counts):
    weights = np.array(auto_weights(np.array(counts)))
    assert (weights * counts).sum() / sum(counts) == pytest.approx(1)
    present = [(count, weight) for count, weight in zip(counts, weights, strict=True) if count]
    ordered = [weight for _, weight in sorted(present, reverse=True)]
    assert ordered == sorted(ordered) and ordered[-1] <= MAX_WEIGHT_RATIO * ordered[0] * (1 + 1e-9)
    assert all(weight == 1 for count, weight in zip(counts, weights, strict=True) if not count)


def test_only_objects_that_are_trained_on_are_counted():
    flags = {"difficult": np.array([0, 1, 0, 0], bool), "crowd": np.array([0, 0, 1, 0], bool)}
    assert count_objects(index_of(0, 0, 1, 3, **flags)).tolist() == [1, 0, 0, 1]


def test_a_file_by_hand(tmp_path):
    path = tmp_path / "weights.txt"
    path.write_text("dog 2\n\n  small fox\t0.5 \n鱼  1e1\n", encoding="utf-8-sig")
    assert read_class_weights(path, NAMES) == (1.0, 2.0, 0.5, 10.0)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("cat 1\nbird 2\n", r"line 2: unknown class 'bird'; .* cat, dog, small fox, 鱼"),
        ("2\n", "line 1: unknown class ''"),
        ("cat\n", "line 1: unknown class ''"),
        ("cat 1\ncat 2\n", "line 2: 'cat' is listed twice"),
        ("dog x\n", "line 1: 'x' is not a number"),
        ("dog 0\n", "line 1: a weight must be greater than 0, not 0"),
        ("dog -1\n", "line 1: a weight must be greater than 0, not -1"),
        ("dog nan\n", "greater than 0, not nan"),
        ("dog inf\n", "greater than 0, not inf"),
    ],
)
def test_a_wrong_file_names_the_line(tmp_path, text, message):
    path = tmp_path / "weights.txt"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=message) as error:
        read_class_weights(path, NAMES)
    assert str(path) in str(error.value)


def test_the_choice(tmp_path):
    index = index_of(0, 0, 0, 0, 1)
    assert choose_class_weights("none", index) is None
    # Inverse roots 1 and 2: their mean over five objects is 6 / 5.
    assert choose_class_weights("auto", index) == pytest.approx((5 / 6, 10 / 6, 1, 1))
    (tmp_path / "w.txt").write_text("cat 3\n")
    assert choose_class_weights(str(tmp_path / "w.txt"), index) == (3, 1, 1, 1)
    with pytest.raises(
        ValueError, match=r"--class-weights takes none, auto or a file; there is no file .*many"
    ):
        choose_class_weights("many", index)


def test_what_is_said():
    assert weights_line((5 / 6, 2.0), ("cat", "small fox")) == "class weights: cat 0.833, small fox 2"
