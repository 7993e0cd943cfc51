"""The decision, on values by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.tune.decision import decide, spread

AP = st.lists(st.floats(0, 1), min_size=2, max_size=6)


def test_better_only_beyond_two_standard_errors():
    # Variances of .0001 in both: the error of the difference is sqrt(.0002 / 3) = .008165, twice it .01633.
    defaults = [0.40, 0.41, 0.42]
    assert not decide(defaults, [0.416, 0.426, 0.436]).better  # .016 more
    good = decide(defaults, [0.417, 0.427, 0.437])  # .017 more
    assert good.better and good.needed == pytest.approx(0.01633, abs=1e-5)
    assert good.sentence() == (
        "the settings found are better by 1.70 points of mAP50-95, more than 2 standard errors of the "
        "difference of means over seeds, 1.63 points"
    )
    assert "did not beat the defaults: +1.60 points" in decide(defaults, [0.416, 0.426, 0.436]).sentence()


def test_worse_and_equal_are_not_better():
    worse = decide([0.5, 0.5], [0.4, 0.4])
    assert (
        not worse.better and "-10.00 points" in worse.sentence() and "Keep the defaults" in worse.sentence()
    )
    assert not decide([0.5, 0.5], [0.5, 0.5]).better


@given(AP, AP)
def test_never_are_both_better_than_each_other(one, other):
    assert not (decide(one, other).better and decide(other, one).better)


def test_mean_and_spread():
    assert spread([0.40, 0.41, 0.42]) == "0.4100 ± 0.0100"
