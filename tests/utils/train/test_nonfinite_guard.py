"""Steps with non-finite gradients are skipped and leave no trace."""

from dataclasses import replace

import pytest
import torch

from tests.utils.train.tiny_training import PHASE, copied, drawn_index, make_trainer, same_bits, train_epoch
from utils.train.nonfinite_guard import NonfiniteGuard

IMAGES = 8
EACH = replace(PHASE, batch_size=1, learning_rate=0.001)


@pytest.fixture
def index(tmp_path):
    return drawn_index(tmp_path, IMAGES)


def poisoned(trainer, steps):
    """Make the losses and a BatchNorm statistic NaN in these steps, counted from 0."""
    losses_of, count = trainer.gradients.losses_of, iter(range(1000))

    def losses(images, targets):
        found = losses_of(images, targets)
        if next(count) in steps:
            next(buffer for buffer in trainer.detector.buffers() if buffer.ndim).data.fill_(float("nan"))
            found = {name: value * float("nan") for name, value in found.items()}
        return found

    trainer.gradients.losses_of = losses
    return trainer


def state_of(trainer):
    moments = trainer.optimizer.state_dict()["state"].values()
    return copied(trainer.detector.state_dict()), [copied(state) for state in moments]


@pytest.mark.parametrize("optimizer", ["sgd", "adamw", "muon"])
def test_a_bad_step_changes_nothing(index, optimizer):
    phase = replace(PHASE, batch_size=4)
    trainer = make_trainer(index, [phase], optimizer=optimizer, ema=False)
    batch = next(iter(trainer.start_epoch(phase, 0)))
    for bad_first in (True, False):  # the first step of all, and one after a good one
        before = state_of(trainer)
        losses_of = trainer.gradients.losses_of
        assert float(poisoned(trainer, {0}).step(batch)["bad"]) == 1
        trainer.gradients.losses_of = losses_of
        if not bad_first:
            for old, new in zip(before[1], state_of(trainer)[1], strict=True):
                assert same_bits(old, new)
        counts = "num_batches_tracked"
        after = {name: value for name, value in state_of(trainer)[0].items() if counts not in name}
        assert same_bits(after, {name: value for name, value in before[0].items() if counts not in name})
        assert float(trainer.step(batch)["bad"]) == 0
        assert not same_bits(state_of(trainer)[0], before[0])


def test_gradients_that_overflow_are_left_to_their_scaler():
    detector = torch.nn.Linear(1, 1)
    for value in detector.parameters():
        value.grad = torch.full_like(value, torch.inf)
    guard, losses, images = NonfiniteGuard(detector), {"box": torch.tensor(1.0)}, torch.tensor([3])
    assert guard.check(losses, images, with_gradients=True) == 1 and guard.in_a_row == 1
    assert guard.check(losses, images, with_gradients=True) == 1 and guard.in_a_row == 2
    assert guard.check(losses, images, with_gradients=False) == 0 and guard.in_a_row == 0
    assert guard.check({"box": torch.tensor(torch.inf)}, images, with_gradients=False) == 1
    assert guard.take_recent() == [(True, [3]), (True, [3]), (False, [3]), (True, [3])]
    assert guard.take_recent() == []


def test_bad_steps_are_told_and_the_rate_is_halved(index, capsys):
    trainer = poisoned(make_trainer(index, [EACH]), {2, 5})
    _, sampler = trainer.open_loader(EACH)
    order = [key.image_number for keys in sampler for key in keys]
    result = train_epoch(trainer, EACH)
    assert all(0 < value < 100 for value in result.losses.values())
    output = capsys.readouterr().out
    assert "skipped 2 steps before step 8" in output and trainer.lr_factor == 0.5
    assert f"{order[2]}.png, {order[5]}.png" in output
    rate = result.learning_rate
    trainer.schedule.set_learning_rates(EACH, trainer.steps, trainer.lr_factor)
    assert trainer.learning_rate < 0.6 * rate


def test_losses_are_means_of_the_good_steps(index, monkeypatch):
    trainer = make_trainer(index, [EACH])
    values = iter([(1.0, 0), (0.0, 1), (3.0, 0), (0.0, 1), *[(2.0, 0)] * 4])

    def step(batch):
        loss, bad = next(values)
        trainer.steps += 1
        return {"box": torch.tensor(loss), "bad": torch.tensor(float(bad))}

    monkeypatch.setattr(trainer, "step", step)
    assert train_epoch(trainer, EACH).losses == {"box": pytest.approx((1 + 3 + 4 * 2) / 6)}


@pytest.mark.parametrize("bad", [range(8), range(1000)])
def test_steps_that_stay_bad_end_the_training(index, bad):
    trainer = poisoned(make_trainer(index, [EACH]), set(bad))
    with pytest.raises(ValueError, match=r"the loss is nan at step 8: .*smaller --lr"):
        train_epoch(trainer, EACH)
