"""The learning rate at chosen points, worked out by hand."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from utils.train.lr_schedule import decay_factor, warmup_factor

PROGRESS = st.floats(0, 1)


def test_cosine_by_hand():
    assert decay_factor(0.0, "cosine") == 1.0
    # cos(pi / 3) = 1/2: .05 + .95 * (1 + .5) / 2
    assert decay_factor(1 / 3, "cosine") == pytest.approx(0.7625)
    assert decay_factor(0.5, "cosine") == pytest.approx(0.525)
    assert decay_factor(1.0, "cosine") == pytest.approx(0.05)
    assert decay_factor(0.5, "cosine", floor=0.2) == pytest.approx(0.6)


def test_steps_by_hand():
    at = {progress: decay_factor(progress, "step") for progress in (0.0, 0.699, 0.7, 0.899, 0.9, 1.0)}
    assert list(at.values()) == [1.0, 1.0, 0.1, 0.1, 0.01, 0.01]


@given(PROGRESS, PROGRESS)
def test_no_decay_ever_rises(first, second):
    early, late = sorted((first, second))
    for decay in ("cosine", "step", "constant"):
        assert 0 < decay_factor(late, decay) <= decay_factor(early, decay) <= 1
    assert decay_factor(first, "constant") == 1


def test_cosine_stays_down_after_the_end():
    assert decay_factor(1.5, "cosine") == pytest.approx(0.05)


def test_warmup_by_hand():
    # Over 4 steps: (1/4)^2, (2/4)^2, (3/4)^2, 1.
    assert [warmup_factor(step, 4) for step in range(6)] == [0.0625, 0.25, 0.5625, 1.0, 1.0, 1.0]
    assert [warmup_factor(step, 4) for step in (-9, -1)] == [0, 0]  # still frozen


@pytest.mark.parametrize("steps", [0, 1])
def test_no_warmup(steps):
    assert warmup_factor(0, steps) == 1.0


@given(st.integers(0, 10**6), st.integers(1, 10**6))
def test_warmup_rises_to_one(step, steps):
    assert 0 < warmup_factor(step, steps) <= warmup_factor(step + 1, steps) <= 1
    assert warmup_factor(steps - 1, steps) == 1
    assert warmup_factor(0, steps) == pytest.approx(1 / steps**2)
