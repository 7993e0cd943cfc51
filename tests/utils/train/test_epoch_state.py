"""The state of an epoch in progress."""

import math

import pytest
import torch

from utils.train.epoch_state import EpochState
from utils.train.nonfinite_guard import NONFINITE


def state(nonfinite=1.0):
    sums = {"box": torch.tensor(9.0), "class": torch.tensor(6.0), NONFINITE: torch.tensor(nonfinite)}
    return EpochState(
        batches=4, images=32, seconds=2.5, sums=sums, unreadable=["a.jpg"], nonfinite_reported=1
    )


def test_means_are_over_the_steps_that_were_not_skipped():
    assert state().means() == {"box": 3.0, "class": 2.0}
    assert math.isnan(state(nonfinite=4.0).means()["box"])


def test_the_same_place_in_other_batches():
    """Four batches of 8 are ten of 3: two images are repeated."""
    found = state().in_batches_of(3)
    assert (found.batches, found.images, found.seconds, found.unreadable) == (10, 30, 2.5, ["a.jpg"])
    assert found.means() == {"box": pytest.approx(3.0), "class": pytest.approx(2.0)}
    assert (found.nonfinite_steps(), found.nonfinite_reported) == (0, 0)


def test_in_batches_of_the_same_size_it_is_the_same():
    same = state()
    assert same.in_batches_of(8) is same
    fresh = EpochState()
    assert fresh.in_batches_of(16) is fresh


def test_in_batches_larger_than_what_was_done_the_epoch_begins_anew():
    found = state().in_batches_of(64)
    assert (found.batches, found.images) == (0, 0)
    assert found.sums["box"] == 0
