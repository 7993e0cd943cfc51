"""Notices: given when there is a reason, and only then."""

import math
from itertools import pairwise

import numpy as np
import pytest

from utils.run.notices import (
    Conditions,
    device_nearly_full,
    leaking,
    learning_rate_too_high,
    loss_not_falling,
    memory_nearly_full,
    new_notices,
    no_targets,
    starving,
)

NAN = math.nan


def history(losses, maps=(), **columns):
    """Return columns of metrics.csv; `maps` are those of the last epochs."""
    known = [NAN] * (len(losses) - len(maps)) + list(maps)
    return {"loss": list(losses), "map50_95": known} | columns


def first_given(notice, losses, maps, conditions=None):
    """Return the epoch, counted from 1, after which the notice is first given; None if never."""
    for end in range(1, len(losses) + 1):
        if notice(history(losses[:end], maps[:end]), conditions or Conditions()):
            return end
    return None


# No targets


def test_a_box_loss_of_zero():
    assert no_targets(history([5.0, 4.0], loss_box=[2.0, 0.0])).startswith("the box loss is 0: no object")
    assert no_targets(history([5.0, 4.0], loss_box=[0.0, 1e-9])) is None
    assert no_targets(history([5.0], loss_box=[NAN])) is None and no_targets(history([5.0])) is None


# The loss does not fall


def test_a_flat_loss_and_a_flat_map():
    """Five epochs are compared with the five before: 10 in all, not counting the warm-up."""
    flat, still = [3.0] * 20, [0.0] * 20
    assert first_given(loss_not_falling, flat, still) == 10
    assert first_given(loss_not_falling, flat, still, Conditions(warmup_epochs=1.5)) == 12
    text = loss_not_falling(history(flat[:10], still[:10]), Conditions())
    assert text.startswith("the loss has not fallen in 5 epochs (3.000 before, 3.000 now)")
    assert "--patience" in text and "train_batch.jpg" in text and "--lr" in text


def test_maps_of_other_validation_data_are_not_compared():
    """The mAP is lower in the last five epochs, but on other images."""
    columns = history([3.0] * 10, [0.5] * 5 + [0.1] * 5)
    assert loss_not_falling(columns, Conditions()) is not None
    assert loss_not_falling(columns | {"val_data": [1] * 5 + [2] * 5}, Conditions()) is None


def test_long_phases_are_looked_at_over_a_quarter_of_them():
    """It falls by .2 to 2 in epoch 40. In epoch 74 the last 74 // 4 = 18 stand against those before.

    From 39 to 56 they are 2 + .2 / 18 = 2.011 on average, not 1 % more than 2; from 38 to 55 they are 2.033.
    """
    losses = [10.0 - 0.2 * min(epoch, 40) for epoch in range(1, 101)]
    assert first_given(loss_not_falling, losses, [0.5] * 100) == 74


def test_a_loss_that_falls_by_more_than_a_hundredth():
    assert first_given(loss_not_falling, [3 * 0.99**epoch for epoch in range(60)], [0.0] * 60) is None


def test_not_at_the_flat_end_when_the_map_still_rises():
    assert first_given(loss_not_falling, [3.0] * 40, [epoch / 100 for epoch in range(40)]) is None


def test_not_where_nothing_is_known_of_the_map():
    assert first_given(loss_not_falling, [3.0] * 40, [NAN] * 40) is None
    sparse = [0.1 if epoch in (1, 13) else NAN for epoch in range(1, 41)]
    assert first_given(loss_not_falling, [3.0] * 40, sparse) == 13  # and not in epoch 10


def test_a_new_phase_starts_anew():
    """Unfreezing and the end of mosaic change the level of the loss: from 5 to 3, and to 4."""
    losses = [5.0] * 9 + [3.0] * 9 + [4.0] * 9
    conditions = Conditions(starts=(0, 9, 18))
    assert first_given(loss_not_falling, losses, [0.0] * 27, conditions) is None
    assert first_given(learning_rate_too_high, losses, [0.0] * 27, conditions) is None
    assert first_given(loss_not_falling, losses, [0.0] * 27) is not None
    assert first_given(learning_rate_too_high, losses, [0.0] * 27) is not None


@pytest.mark.parametrize("seed", range(20))
def test_noise_neither_hides_nor_makes_a_notice(seed):
    """Losses with 5 % of noise, of a good run and of one that is stuck."""
    rng = np.random.default_rng(seed)
    epochs = np.arange(100)
    noise = rng.normal(1, 0.05, 100)
    good = (2 + 8 * np.exp(-epochs / 30)) * noise
    maps = 0.6 * (1 - np.exp(-epochs / 40)) + rng.normal(0, 0.01, 100)
    assert first_given(loss_not_falling, good.tolist(), maps.tolist()) is None
    assert first_given(learning_rate_too_high, good.tolist(), maps.tolist()) is None
    stuck = (8 * noise).tolist()
    assert first_given(loss_not_falling, stuck, [0.0] * 100) in range(10, 40)
    assert first_given(learning_rate_too_high, stuck, [0.0] * 100) is None


# The learning rate


def test_a_loss_that_rises_after_the_warm_up():
    """The lowest three, 4, 3, 3.5 or 3, 3.5, 4, are 3.5 on average; 4.5, 5, 5.5 are above 1.2 times that."""
    losses = [9.0, 5.0, 4.0, 3.0, 3.5, 4.0, 4.5, 5.0, 5.5]
    assert first_given(learning_rate_too_high, losses, [0.0] * 9) == 9
    text = learning_rate_too_high(history(losses), Conditions())
    assert "from 3.500 to 5.000" in text and "--lr" in text
    warm = Conditions(warmup_epochs=3.5)  # 3.5, 4, 4.5, 5, 5.5 are not yet six, and 4 on average at least
    assert first_given(learning_rate_too_high, losses, [0.0] * 9, warm) is None
    assert first_given(learning_rate_too_high, [*losses, 6.0], [0.0] * 10, warm) == 10


def test_a_single_epoch_is_no_rise():
    assert first_given(learning_rate_too_high, [3.0] * 8 + [30.0] + [3.0] * 8, [0.0] * 17) is None
    assert first_given(learning_rate_too_high, [3.0] * 8 + [30.0] * 3, [0.0] * 11) == 11


def test_a_rise_of_less_than_a_fifth_is_none():
    assert first_given(learning_rate_too_high, [3.0] * 3 + [3.59] * 10, [0.0] * 13) is None
    assert first_given(learning_rate_too_high, [3.0] * 3 + [3.61] * 10, [0.0] * 13) == 6


def test_steps_that_were_left_out():
    losses = [3.0, 2.9]
    assert learning_rate_too_high(history(losses, left_out=[1.0, 1.0]), Conditions()) is None
    text = learning_rate_too_high(history(losses, left_out=[1.0, 2.0]), Conditions())
    assert text.startswith("3 steps were skipped so far") and "--lr" in text and "--amp off" in text
    assert learning_rate_too_high(history(losses, left_out=[NAN, NAN]), Conditions()) is None


# Waiting for images


def waits(*shares, **conditions):
    return starving(history([1.0] * len(shares), waiting=list(shares)), Conditions(**conditions))


def test_a_device_that_waits_in_two_epochs():
    assert waits(0.9, workers=2, cores=8) is None  # caches are filled in the first
    assert waits(0.9, 0.19, workers=2, cores=8) is None
    assert waits(0.9, 0.1, 0.9, workers=2, cores=8) is None
    text = waits(0.9, 0.345, workers=2, cores=8)
    assert text.startswith(
        "the device waits for data 34% of the time: try more --workers (now 2, with 8 cores)"
    )
    assert "--cache ram" in text


def test_only_what_can_be_done_is_advised():
    assert "--workers" not in waits(0.5, 0.5, workers=7, cores=8)
    assert "--cache" not in waits(0.5, 0.5, workers=2, cores=8, cached=True)
    assert "input size" in waits(0.5, 0.5, workers=7, cores=8, cached=True)


def test_without_workers_a_cpu_loads_for_longer_before_it_is_said():
    assert waits(0.4, 0.4) is None and waits(0.4, 0.4, on_gpu=True) is not None
    assert waits(0.6, 0.6, cores=2).startswith(
        "loading images takes 60% of the time: try more --workers (now 0"
    )


def test_runs_that_did_not_measure_it_have_no_notice():
    assert waits(NAN, NAN, workers=2) is None
    assert starving(history([1.0, 2.0]), Conditions(workers=2)) is None


# Memory


def test_memory_that_is_nearly_full():
    def notice(held, left):
        return memory_nearly_full(history([1.0], memory=[held], memory_left=[left]))

    assert notice(10.0, 1.01) is None
    assert "training uses 10.0 GiB, and 0.9 GiB are free" in notice(10.0, 0.9)
    assert notice(NAN, NAN) is None and memory_nearly_full(history([1.0])) is None


def test_gpu_memory_that_is_nearly_full():
    def notice(peak, limit):
        return device_nearly_full(history([1.0], gpu_memory=[peak], gpu_memory_limit=[limit]))

    assert notice(9.4, 10.0) is None
    assert "9.6 of 10.0 GiB" in notice(9.6, 10.0) and "--batch-parts 2" in notice(9.6, 10.0)
    assert device_nearly_full(history([1.0])) is None


def test_memory_that_grows_epoch_after_epoch():
    """By 0.1 GiB an epoch, with 5 GiB free."""
    held = [2.0 + 0.1 * epoch for epoch in range(6)]
    columns = {"memory": held, "memory_left": [5.0] * 6}
    assert leaking(history([1.0] * 5, memory=held[:5])) is None
    text = leaking(history([1.0] * 6, **columns))
    assert "by 0.10 GiB; the 5.0 GiB free last for 50 more epochs" in text
    assert leaking(history([1.0] * 6, memory=held)) is not None


@pytest.mark.parametrize(
    "held",
    [
        [2.0, 2.1, 2.2, 2.1, 2.2, 2.3],  # it gave some back
        [2.0, 3.0, 3.3, 3.4, 3.45, 3.46],  # a cache that fills
        [2.0, 2.01, 2.02, 2.03, 2.04, 2.05],  # nearly nothing
        [2.0] * 6,
        [NAN] * 6,
    ],
)
def test_memory_that_does_not_leak(held):
    assert leaking(history([1.0] * 6, memory=held, memory_left=[1.0] * 6)) is None


# All of them


def test_each_is_said_once_and_under_its_own_name():
    columns = {"waiting": [0.9] * 12, "memory": [9.0] * 12, "memory_left": [0.1] * 12}
    columns |= {"gpu_memory": [9.0] * 12, "gpu_memory_limit": [9.0] * 12}
    all_of_it = history([3.0] * 6 + [6.0] * 6, [0.0] * 12, **columns)
    found = new_notices(all_of_it, Conditions(), [])
    assert {*found} == {"learning rate", "loss not falling", "starving", "memory", "GPU memory"}
    assert len({*found.values()}) == 5
    assert {*new_notices(all_of_it, Conditions(), ["memory", "starving"])} == {*found} - {
        "memory",
        "starving",
    }
    assert new_notices(all_of_it, Conditions(), [*found]) == {}


def test_a_good_run_of_any_length_has_none():
    losses = [3 * 0.95**epoch for epoch in range(30)]
    assert all(after < before for before, after in pairwise(losses))
    columns = {
        "left_out": [0.0] * 30,
        "waiting": [0.05] * 30,
        "memory": [2.0] * 30,
        "memory_left": [9.0] * 30,
    }
    for end in range(1, 31):
        part = {name: values[:end] for name, values in columns.items()}
        assert new_notices(history(losses[:end], [0.1] * end, **part), Conditions(), []) == {}
