"""How far an epoch is."""

import math

import pytest
import torch

from utils.train.epoch_state import BAD, EpochProgress


def progress(bad=1.0):
    sums = {"box": torch.tensor(9.0), "class": torch.tensor(6.0), BAD: torch.tensor(bad)}
    return EpochProgress(batches=4, images=32, seconds=2.5, sums=sums, skipped=["a.jpg"], bad_told=1)


def test_means_are_over_the_steps_that_were_not_bad():
    assert progress().means() == {"box": 3.0, "class": 2.0}
    assert math.isnan(progress(bad=4.0).means()["box"])


def test_the_same_place_in_other_batches():
    """Four batches of 8 are ten of 3: two images come again."""
    found = progress().in_batches_of(3)
    assert (found.batches, found.images, found.seconds, found.skipped) == (10, 30, 2.5, ["a.jpg"])
    assert found.means() == {"box": pytest.approx(3.0), "class": pytest.approx(2.0)}
    assert (found.bad(), found.bad_told) == (0, 0)


def test_in_batches_of_the_same_size_it_is_the_same():
    same = progress()
    assert same.in_batches_of(8) is same
    fresh = EpochProgress()
    assert fresh.in_batches_of(16) is fresh


def test_in_batches_larger_than_what_was_done_the_epoch_begins_anew():
    found = progress().in_batches_of(64)
    assert (found.batches, found.images) == (0, 0)
    assert found.sums["box"] == 0
