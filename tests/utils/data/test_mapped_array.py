"""Arrays in a file, and what of them another process is sent."""

import pickle

import numpy as np
import pytest

from utils.data.index import ARRAYS, flat_index
from utils.data.mapped_array import MappedArray, location_of, map_array


@pytest.fixture
def file(tmp_path):
    np.arange(64, dtype=np.int32).tofile(tmp_path / "numbers")
    return tmp_path / "numbers"


def test_a_place_is_mapped_and_found_again(file):
    place = MappedArray(str(file), 16, "<i4", (3, 4))
    array = map_array(place)
    assert array.tolist() == np.arange(4, 16).reshape(3, 4).tolist()
    assert not array.flags.writeable
    assert location_of(array) == place
    assert location_of(array[1:]) == place._replace(offset=32, shape=(2, 4))
    assert location_of(array.reshape(-1)[2:].view(np.uint8)) == place._replace(
        offset=24, dtype="|u1", shape=(40,)
    )


def test_what_is_in_memory_or_not_in_one_piece_has_no_place(file):
    array = map_array(MappedArray(str(file), 0, "<i4", (8, 8)))
    for other in (array[:, :2], array.T, array[array > 3], array + 1, np.zeros(3)[1:], array[:0]):
        assert location_of(other) is None


def test_an_array_whose_file_is_gone_is_sent_whole(file):
    array = map_array(MappedArray(str(file), 0, "<i4", (64,)))
    file.unlink()
    assert location_of(array) is None
    assert pickle.loads(pickle.dumps(array)).tolist() == list(range(64))


def test_an_index_sends_places_where_it_can(file):
    index = flat_index(
        "ab", ["x.jpg", "y.jpg"], [1, 1], np.array([[0, 1, 2, 3], [4, 5, 6, 7]]), np.array([0, 1])
    )
    labels = map_array(MappedArray(str(file), 0, "<i4", (2,)))
    mixed = type(index)(**(vars(index) | {"labels": labels}))
    again = pickle.loads(pickle.dumps(mixed))
    assert location_of(again.labels) == location_of(labels)
    assert again.class_names == ("a", "b")
    for name in ARRAYS:
        assert np.array_equal(getattr(again, name), getattr(mixed, name)), name
