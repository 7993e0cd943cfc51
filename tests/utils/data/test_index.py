"""The flat index."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.data import index as index_module
from utils.data.index import (
    ImageRecord,
    build_index,
    concatenate,
    flat_index,
    select_boxes,
    select_images,
    with_paths,
)


def record(path="a.jpg", number=2, **given_fields):
    boxes = np.array([[0, 0, 4 + i, 5] for i in range(number)], np.float32).reshape(-1, 4)
    return ImageRecord(path, boxes, np.arange(number, dtype=np.int32), **given_fields)


def test_gathers_records_in_their_order():
    index = build_index(
        [record("图 1.jpg", 2, size=(30, 40)), record("b.png", 0), record("c.d.jpg", 1)], "xy"
    )
    assert len(index) == 3
    assert [str(index.path(image)) for image in range(3)] == ["图 1.jpg", "b.png", "c.d.jpg"]
    assert [index.span(image) for image in range(3)] == [slice(0, 2), slice(2, 2), slice(2, 3)]
    assert index.sizes.tolist() == [[30, 40], [0, 0], [0, 0]]
    assert index.class_names == ("x", "y")
    assert index.labels.tolist() == [0, 1, 0]
    assert index.areas.tolist() == [20, 25, 20]  # 4 x 5, 5 x 5, 4 x 5
    assert not index.difficult.any() and not index.crowd.any()


def test_keeps_flags_and_areas_where_given():
    flags = np.array([True, False])
    index = build_index([record(difficult=flags, crowd=~flags, areas=np.array([3, 4]))], "xy")
    assert index.difficult.tolist() == [True, False]
    assert index.crowd.tolist() == [False, True]
    assert index.areas.tolist() == [3, 4]


def test_nothing_at_all_keeps_shapes_and_types():
    index = build_index([], ["x"])
    assert len(index) == 0
    assert index.boxes.shape == (0, 4) and index.sizes.shape == (0, 2)
    assert index.box_offsets.tolist() == [0] and index.path_offsets.tolist() == [0]
    types = [array.dtype for array in (index.boxes, index.labels, index.difficult, index.crowd, index.areas)]
    assert types == [np.float32, np.int32, np.bool_, np.bool_, np.float32]


@given(st.lists(st.integers(0, 4), max_size=8), st.randoms(use_true_random=False))
def test_selecting_boxes_is_selecting_within_each_image(counts, random):
    boxes = np.arange(4 * sum(counts), dtype=np.float32).reshape(-1, 4)
    index = flat_index("ab", [f"{i}.jpg" for i in range(len(counts))], counts, boxes, np.zeros(len(boxes)))
    keep = np.array([random.random() < 0.5 for _ in boxes], bool)
    selected = select_boxes(index, keep)
    assert len(selected) == len(index)
    for image in range(len(index)):
        span = index.span(image)
        assert selected.boxes[selected.span(image)].tolist() == index.boxes[span][keep[span]].tolist()


@given(st.lists(st.text(st.characters(codec="utf-8"), max_size=4)))
def test_paths_are_those_of_each_image(texts):
    index = flat_index("a", texts, [0] * len(texts), np.zeros((0, 4)), np.zeros(0))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(index_module, "PATHS_PER_BLOCK", 2)
        assert list(index.paths()) == texts


records = st.lists(
    st.builds(
        lambda path, number, flag: record(
            path, number, size=(number + 1, 7), difficult=np.array([flag] * number, bool)
        ),
        st.text(st.characters(exclude_categories=["Cs"]), min_size=1),
        st.integers(0, 3),
        st.booleans(),
    ),
    max_size=6,
)


def same(one, other):
    return all(
        np.array_equal(value, vars(other)[name])
        and getattr(value, "dtype", 0) == getattr(vars(other)[name], "dtype", 0)
        for name, value in vars(one).items()
    )


@given(records, st.randoms(use_true_random=False))
def test_selecting_images_is_building_the_index_of_these(given_records, random):
    keep = [random.random() < 0.5 for _ in given_records]
    selected = select_images(build_index(given_records, "xyz"), np.array(keep, bool))
    kept = [one for one, is_kept in zip(given_records, keep, strict=True) if is_kept]
    assert same(selected, build_index(kept, "xyz"))


@given(st.lists(records, min_size=1, max_size=4))
def test_concatenating_is_building_the_index_of_all(parts):
    joined = concatenate(build_index(part, "xyz") for part in parts)
    assert same(joined, build_index([one for part in parts for one in part], "xyz"))


def test_file_names_need_not_be_utf_8():
    index = build_index([record("d\udcff/a.jpg", 0)], ["a"])
    assert str(index.path(0)) == "d\udcff/a.jpg" and [*index.paths()] == ["d\udcff/a.jpg"]


def test_other_paths_change_nothing_else():
    one, other = ([record(path, 2), record("b.jpg", 1)] for path in ("a.jpg", "图/long name.jpg"))
    assert same(with_paths(build_index(one, "xy"), ["图/long name.jpg", "b.jpg"]), build_index(other, "xy"))
