"""The epochs that fit into a time, with the arithmetic beside them."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.utils.train.tiny_training import PHASE
from utils.train.phases import Lengths, PhasePlanner
from utils.train.settings import PhaseSettings
from utils.train.time_plan import Pace, choose_lengths, seconds_left

FROZEN = replace(PHASE, name="frozen", frozen=("backbone",))


def planner(freeze_epochs=None, clean_share=0.3):
    settings = PhaseSettings(minutes=1.0, freeze_epochs=freeze_epochs, clean_share=clean_share)
    return PhasePlanner(FROZEN, PHASE, settings, images=100, from_weights=True)


def test_as_many_epochs_as_fit():
    # Of 10 epochs a fifth is frozen: 2 * 5 s + 8 * 10 s of training, and 10 evaluations of 1 s.
    lengths = choose_lengths(planner(), Pace(5.0, 10.0, 1.0), seconds=100)
    assert lengths == Lengths(10, 2, 7)
    assert seconds_left(lengths, Pace(5.0, 10.0, 1.0), 1, done=0) == 100


@pytest.mark.parametrize("seconds, epochs", [(1, 1), (114, 10), (118, 11), (1e-9, 1)])
def test_the_closest_number_of_epochs(seconds, epochs):
    assert choose_lengths(planner(0), Pace(9.0, 10.0, 1.0), seconds + 0.0).epochs == epochs


def test_no_epoch_is_added_to_a_run_that_is_late():
    before = Lengths(10, 2, 7)
    lengths = choose_lengths(planner(), Pace(5.0, 10.0, 1.0), -20.0, done=8, before=before)
    assert lengths == Lengths(8, 2, 7)


def test_the_last_epoch_is_evaluated():
    """With an evaluation every third epoch, a late run ends after the epoch that is evaluated as the last."""
    late = choose_lengths(planner(), Pace(5.0, 10.0, 1.0), -20.0, eval_period=3, done=7)
    assert late.epochs == 8
    assert choose_lengths(planner(), Pace(5.0, 10.0, 1.0), -20.0, eval_period=3, done=6).epochs == 6
    # Epochs 8 to 10, evaluated are 9 and 10.
    assert seconds_left(Lengths(10, 0, 10), Pace(5.0, 10.0, 1.0), 3, done=7) == 3 * 10 + 2 * 1


def test_what_has_begun_is_not_put_off():
    plan, before = planner(), Lengths(10, 2, 7)
    assert plan.lengths(20, done=1, before=before) == Lengths(20, 4, 14)
    assert plan.lengths(20, done=2, before=before) == Lengths(20, 2, 14)  # unfrozen already
    assert plan.lengths(20, done=7, before=before) == Lengths(20, 2, 7)  # clean already
    assert plan.lengths(8, done=6, before=before) == Lengths(8, 2, 6)  # clean from now on


def test_frozen_epochs_that_are_set_are_no_more_than_all():
    assert planner(freeze_epochs=30).lengths(4).freeze_epochs == 4


@given(
    st.floats(0.1, 20),
    st.floats(0.1, 20),
    st.floats(0, 5),
    st.floats(0, 500),
    st.integers(1, 4),
    st.integers(0, 12),
)
def test_no_other_length_is_closer(frozen, unfrozen, evaluation, seconds, period, done):
    pace, plan = Pace(frozen, unfrozen, evaluation), planner()
    chosen = choose_lengths(plan, pace, seconds, period, done)

    def off(epochs):
        return abs(seconds_left(plan.lengths(epochs, done), pace, period, done) - seconds)

    least = done if done and done % period == 0 else done + 1
    assert chosen.epochs >= least
    for other in (chosen.epochs - 1, chosen.epochs + 1):
        if other >= least:
            assert off(chosen.epochs) <= off(other) + 1e-6


def test_measured_times():
    pace = Pace(10.0, 10.0, 2.0)
    pace.measure("frozen", 5.0)  # half the estimate: unfrozen epochs will take half of theirs too
    assert (pace.frozen, pace.unfrozen, pace.evaluation) == (5.0, 5.0, 2.0)
    pace.measure("frozen", 7.0)
    assert (pace.frozen, pace.unfrozen) == (6.0, 5.0)
    pace.measure("unfrozen", 8.0)
    pace.measure("evaluation", 3.0)
    assert (pace.frozen, pace.unfrozen, pace.evaluation) == (6.0, 8.0, 3.0)
