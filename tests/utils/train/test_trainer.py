"""The training loop on a few drawn images."""

from dataclasses import replace

import pytest
import torch

from tests.utils.train.tiny_training import (
    PHASE,
    copied,
    drawn_index,
    make_trainer,
    same_bits,
    train,
    train_epoch,
)
from utils.augment.settings import Augmentation
from utils.train.lr_schedule import decay_factor


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


def test_loss_falls(index):
    whole = replace(PHASE, epochs=25, batch_size=4, learning_rate=0.004)
    losses = train(make_trainer(index, [whole], weight_decay=0.0))
    assert losses[0].keys() == {"box", "objectness", "class", "l1"}
    totals = [sum(epoch.values()) for epoch in losses]
    assert sum(totals[-3:]) / 3 < 0.7 * totals[0]
    assert losses[-1]["class"] < losses[0]["class"]


def test_same_seed_same_weights_whatever_the_workers(index):
    varied = replace(PHASE, epochs=2, augmentation=Augmentation(mixup=0.5))
    states = []
    for changes in ({}, {"workers": 1}, {"seed": 1}):
        trainer = make_trainer(index, [varied], **changes)
        train(trainer)
        assert trainer.steps == 4
        states.append((copied(trainer.detector.state_dict()), copied(trainer.ema.module.state_dict())))
    assert same_bits(states[0][0], states[1][0]) and same_bits(states[0][1], states[1][1])
    assert not same_bits(states[0][0], states[2][0])  # another order and other augmentation


def test_a_loss_that_is_no_number_is_refused_with_the_fix(index):
    trainer = make_trainer(index)
    next(trainer.detector.head.parameters()).data.fill_(float("nan"))
    with pytest.raises(ValueError, match=r"the loss is nan at step 2: .*learning rate.*smaller --lr"):
        train(trainer)


def test_learning_rate_of_every_step(index, monkeypatch):
    # 4 images: 1 step an epoch in batches of 4, 2 in batches of 2, so 2 * 1 + 3 * 2 = 8 steps in all.
    frozen = replace(PHASE, epochs=2, batch_size=4, learning_rate=0.08, frozen=("backbone",))
    trainer = make_trainer(index, [frozen, replace(PHASE, epochs=3, learning_rate=0.04)], warmup_epochs=2)
    assert trainer.schedule.total_steps == 8
    seen = []

    def record(batch):
        trainer.schedule.set_learning_rates(trainer.phase, trainer.steps)
        seen.append({group["part"]: group["lr"] for group in trainer.optimizer.param_groups})
        trainer.steps += 1
        return {"box": torch.tensor(1.0)}

    monkeypatch.setattr(trainer, "step", record)
    train(trainer)
    cosine = [decay_factor(step / 8, "cosine") for step in range(8)]
    # Warm-up of 2 epochs: 2 steps in the first phase, 4 in the second. The head is warm by then.
    head = [0.25, 1.0, (3 / 4) ** 2, 1, 1, 1, 1, 1]
    backbone = [0, 0, (1 / 4) ** 2, (2 / 4) ** 2, (3 / 4) ** 2, 1, 1, 1]
    peaks = [0.08] * 2 + [0.04] * 6
    for step, rates in enumerate(seen):
        assert rates["head"] == rates["neck"] == pytest.approx(peaks[step] * cosine[step] * head[step])
        if step >= 2:  # before, the backbone is frozen and its rate means nothing
            assert rates["backbone"] == pytest.approx(peaks[step] * cosine[step] * backbone[step])
    assert len(seen) == 8


def test_the_result_of_an_epoch(index):
    trainer = make_trainer(index)
    result = train_epoch(trainer, PHASE)
    # The second of two steps: warmed up, and half-way down the cosine, .05 + .95 / 2.
    assert result.learning_rate == pytest.approx(0.01 * 0.525)
    assert result.unreadable == [] and result.seconds > 0
    assert result.images_per_second == pytest.approx(4 / result.seconds)


def test_mean_losses_are_of_all_steps(index, monkeypatch):
    trainer = make_trainer(index, [replace(PHASE, batch_size=1)])
    values = iter([1.0, 2.0, 4.0, 9.0])
    monkeypatch.setattr(trainer, "step", lambda batch: {"box": torch.tensor(next(values))})
    assert train(trainer) == [{"box": pytest.approx(4.0)}]


def test_clipping_bounds_the_gradient(index):
    def largest_move(clip):
        trainer = make_trainer(index, momentum=0.9, weight_decay=0.0, clip=clip, ema=False, warmup_epochs=0)
        before = copied(trainer.detector.state_dict())
        trainer.step(next(iter(trainer.start_epoch(PHASE, 0))))
        after = dict(trainer.detector.named_parameters())
        return sum((after[name] - before[name]).square().sum() for name in after).sqrt().item()

    # The first Nesterov step goes (1 + momentum) times the gradient: at most .01 * 1.9 * the norm.
    assert largest_move(0.5) == pytest.approx(0.01 * 1.9 * 0.5, rel=1e-3)
    assert largest_move(0.0) > 0.01 * 1.9 * 0.6


def test_without_averaging_the_weights_themselves_are_evaluated(index):
    trainer = make_trainer(index, ema=False)
    assert trainer.ema is None and trainer.evaluated is trainer.detector
    averaged = make_trainer(index)
    assert averaged.evaluated is averaged.ema.module


def test_a_batch_larger_than_the_data_is_one_step(index):
    trainer = make_trainer(index, [replace(PHASE, epochs=3, batch_size=64)])
    assert trainer.schedule.total_steps == 3


def test_unreadable_images_are_named(tmp_path):
    index = drawn_index(tmp_path)
    (tmp_path / "2.png").write_bytes(b"no image")
    trainer = make_trainer(index)
    result = train_epoch(trainer, PHASE)
    assert result.unreadable == [str(tmp_path / "2.png")] and trainer.steps == 2
