"""The budget, and the plan of what fits into it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.tune.budget import (
    Budget,
    reserve,
    rung_epochs,
    seconds_at,
    seconds_needed,
    trial_seconds,
)


def test_time_of_earlier_starts_counts(tmp_path):
    now = [100.0]
    budget = Budget(tmp_path / "used.json", 2, lambda: now[0])
    assert budget.left == 120
    now[0] = 130.0
    assert (budget.used, budget.left) == (30, 90)
    budget.save()
    now[0] = 500.0  # time in which the program did not run
    again = Budget(tmp_path / "used.json", 2, lambda: now[0])
    assert (again.used, again.text()) == (30, "1.5 min left")
    now[0] = 650.0
    assert (again.left, again.text()) == (-60, "1.0 min over the budget")


@pytest.mark.parametrize("content", ["", "NaN", "[1]", '"a"', "[" * 9999])
def test_a_damaged_file_is_told(tmp_path, content):
    (tmp_path / "used.json").write_text(content)
    with pytest.raises(ValueError, match=r"used.json cannot be read .*: remove it"):
        Budget(tmp_path / "used.json", 2)


@pytest.mark.parametrize(
    ("epochs", "rungs"),
    [(12, [1, 4, 12]), (27, [3, 9, 27]), (100, [11, 33, 100]), (3, [1, 3]), (2, [1, 2]), (1, [1])],
)
def test_rungs_are_a_ninth_a_third_and_all(epochs, rungs):
    assert rung_epochs(epochs) == rungs


def test_seconds_of_a_longer_training():
    assert seconds_at(12, [(1, 15.0)]) == 15  # a lower bound
    assert seconds_at(12, [(1, 15.0), (4, 45.0)]) == 125  # 5 to start, 10 an epoch
    assert seconds_at(12, [(1, 15.0), (4, 12.0)]) == 12  # never less than measured last


def test_time_is_kept_for_the_comparison():
    seconds = [[10.0, 20.0], [50.0], [100.0, 140.0]]
    # Six trainings of 140, each measured in 15; a tenth more.
    assert reserve(seconds, 3) == pytest.approx(1.1 * 6 * (140 + 15))
    assert trial_seconds(seconds) == 15 + 50 + 120


def test_the_smallest_search():
    # 1, 4 and 12 epochs in 15, 45 and 125 seconds: the rest of the defaults, a trial, and 4 trainings.
    comparison = 1.1 * 4 * (125 + 15)
    assert seconds_needed([1, 4, 12], [15, 45], 2) == pytest.approx(125 + 185 + comparison)
    assert seconds_needed([1, 4, 12], [15, 45, 125], 2) == pytest.approx(185 + comparison)


@given(st.lists(st.floats(0.1, 1e5), min_size=1, max_size=3), st.integers(2, 9))
def test_the_smallest_search_is_no_shorter_than_its_parts(done, seeds):
    done = sorted(done)
    assert seconds_needed([1, 4, 12], done, seeds) >= 2 * seeds * done[-1]
