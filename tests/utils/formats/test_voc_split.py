"""Dividing a data set, and keeping what the user divided."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.formats.voc_folder import add_split
from utils.formats.voc_split import Shares, make_split, users_split, write_split


def test_a_split_divides_the_ids():
    ids = [f"{i:03}" for i in range(100)]
    split = make_split(ids, Shares(0.9, 0.9, seed=0))
    assert {name: len(part) for name, part in split.items()} == {
        "train": 81,  # .9 of 90
        "val": 9,
        "trainval": 90,  # .9 of 100
        "test": 10,
    }
    assert sorted([*split["train"], *split["val"]]) == split["trainval"]
    assert sorted([*split["trainval"], *split["test"]]) == ids


@given(st.lists(st.text(min_size=1), unique=True), st.floats(0, 1), st.floats(0, 1), st.integers())
def test_a_split_depends_on_ids_and_seed_alone(ids, trainval, train, seed):
    shares = Shares(trainval, train, seed)
    assert make_split(ids, shares) == make_split(ids[::-1], shares)


def test_seeds_differ_and_the_split_of_seed_0_stays():
    ids = [f"{i}" for i in range(10)]
    assert make_split(ids, Shares(0.9, 0.9, 0)) != make_split(ids, Shares(0.9, 0.9, 1))
    # A user who runs a later version must not train on what was tested on before.
    assert make_split(ids, Shares(0.9, 0.9, 0))["test"] == ["6"]


@pytest.mark.parametrize("number", [3, 4, 5, 9])
def test_few_images_leave_no_list_empty(number):
    assert all(make_split([str(i) for i in range(number)], Shares(0.9, 0.9, 0)).values())


def test_shares_of_one_and_none_are_taken_at_their_word():
    split = make_split(["a", "b", "c"], Shares(1, 0, 0))
    assert (split["test"], split["train"], split["val"]) == ([], [], ["a", "b", "c"])


@pytest.mark.parametrize("share", [-0.1, 1.1, 90, float("nan")])
def test_a_share_is_between_0_and_1(share):
    with pytest.raises(ValueError, match="--train-percent"):
        make_split(["a"], Shares(0.9, share, 0))


def test_knows_its_own_lists_from_the_users(tmp_path):
    ids = [f"{i}" for i in range(20)]
    shares = Shares(0.9, 0.9, 0)
    split = make_split(ids, shares)
    assert users_split(tmp_path, split) == {}
    write_split(tmp_path, split, shares)
    assert users_split(tmp_path, make_split([*ids, "new"], shares)) == {}  # ours: may be made anew
    add_split(tmp_path, "val", "1", "2")
    assert users_split(tmp_path, split)["val"] == ["1", "2"]


def test_lists_without_note_that_would_be_written_the_same_are_no_obstacle(tmp_path):
    split = make_split(["a", "b", "c"], Shares(0.9, 0.9, 0))
    for name, ids in split.items():
        add_split(tmp_path, name, *ids)
    assert users_split(tmp_path, split) == {}
    (tmp_path / "ImageSets" / "Main" / "split.json").write_text("[1")
    assert users_split(tmp_path, make_split(["d"], Shares(0.9, 0.9, 0))) == split
