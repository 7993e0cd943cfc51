"""The EMA of the weights, with the arithmetic beside it."""

import math

import pytest
import torch
from torch import nn

from utils.train.ema import EMA


class Weight(nn.Module):
    """A model of one parameter, one statistic and one counter."""

    def __init__(self, value=0.0):
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([value]))
        self.register_buffer("mean", torch.tensor([value]))
        self.register_buffer("count", torch.tensor(0))


def set_to(model, value):
    model.weight.data.fill_(value)
    model.mean.fill_(value)
    model.count += 1


def test_two_steps_by_hand():
    model = Weight(0.0)
    ema = EMA(model, total_steps=200)
    # The average reaches over .05 * 200 = 10 steps: decay 1 - 1/10, ramp 10.
    assert (ema.decay, ema.ramp) == (pytest.approx(0.9), 10)
    set_to(model, 1.0)
    ema.update()
    first = 0.9 * (1 - math.exp(-1 / 10))  # how much of the old value stays: .0856
    expected = 0.0 * first + 1.0 * (1 - first)
    assert ema.module.weight.item() == pytest.approx(expected, rel=1e-6)
    set_to(model, 3.0)
    ema.update()
    second = 0.9 * (1 - math.exp(-2 / 10))
    expected = expected * second + 3.0 * (1 - second)
    assert ema.module.weight.item() == pytest.approx(expected, rel=1e-6)
    assert ema.module.mean.item() == pytest.approx(expected, rel=1e-6)
    assert ema.module.count.item() == 2  # counters are copied, not averaged


@pytest.mark.parametrize(
    ("steps", "decay", "ramp"),
    [(1, 0.5, 1), (40, 0.5, 2), (400, 0.95, 20), (20_000, 0.999, 1000), (10**6, 0.9998, 2000)],
)
def test_it_follows_the_length_of_the_run(steps, decay, ramp):
    ema = EMA(Weight(), steps)
    assert (ema.decay, ema.ramp) == (pytest.approx(decay), ramp)


@pytest.mark.parametrize("steps", [100, 1000, 100_000])
def test_a_short_run_forgets_its_first_weights_too(steps):
    model = Weight(0.0)
    ema = EMA(model, steps)
    set_to(model, 1.0)
    for _ in range(min(steps, 5000)):
        ema.update()
    assert ema.module.weight.item() > (0.99 if steps <= 1000 else 0.5)


def test_what_does_not_move_stays_equal_to_the_last_bit():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 7, 3), nn.BatchNorm2d(7), nn.Linear(5, 5))
    before = {name: value.clone() for name, value in model.state_dict().items()}
    ema = EMA(model, 77)
    for _ in range(50):
        model[2].weight.data += 0.1
        ema.update()
    after = ema.module.state_dict()
    moved = [name for name in before if not torch.equal(before[name], after[name])]
    assert moved == ["2.weight"]


def test_the_average_is_a_copy_that_does_not_train():
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)).train()
    ema = EMA(model, 10)
    assert not ema.module.training and not any(p.requires_grad for p in ema.module.parameters())
    assert model.training and all(p.requires_grad for p in model.parameters())
    assert ema.module[0].weight.data_ptr() != model[0].weight.data_ptr()
