"""All classes as one: boxes and flags stay."""

import numpy as np

from utils.data.index import ARRAYS, ImageRecord, build_index
from utils.data.single_class import as_single_class


def test_only_names_and_labels_change():
    boxes = np.array([[1, 2, 3, 4], [5, 6, 9, 9]], np.float32)
    record = ImageRecord("a.jpg", boxes, np.array([2, 1]), difficult=np.array([True, False]))
    before = build_index([record], ["a", "b", "c"])
    after = as_single_class(before)
    assert after.class_names == ("object",) and after.labels.tolist() == [0, 0]
    assert after.labels.dtype == before.labels.dtype and before.labels.tolist() == [2, 1]
    for name in set(ARRAYS) - {"labels"}:
        assert np.array_equal(getattr(after, name), getattr(before, name)), name
