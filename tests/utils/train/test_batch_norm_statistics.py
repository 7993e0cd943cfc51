"""BatchNorm statistics are those of the evaluated weights on training images."""

from dataclasses import replace

import pytest
import torch
from torch import nn

from tests.utils.train.tiny_training import PHASE, copied, drawn_index, make_trainer, same_bits, train_epoch
from utils.loader.batch import Batch
from utils.system.distributed import Processes
from utils.train import batch_norm_statistics
from utils.train.batch_norm_statistics import (
    BatchNorm,
    measure_batch_norm,
    measure_statistics,
    steps_trained,
    updated_layers,
)
from utils.train.freezing import freeze


@pytest.fixture(scope="module")
def index(tmp_path_factory):
    return drawn_index(tmp_path_factory.mktemp("drawn"))


def statistics(model):
    return {name: value for name, value in model.state_dict().items() if "running" in name}


def test_they_are_those_over_all_batches():
    """Of unlike batches too: the variance has what their means differ by."""
    layer = nn.BatchNorm2d(3)
    batches = [torch.randn(4, 3, 50, 50) * (number + 1) + number * 10 for number in range(3)]
    measure_statistics(layer, [""], batches, Processes())
    pixels = torch.cat(batches).transpose(0, 1).flatten(1)
    assert torch.allclose(layer.running_mean, pixels.mean(1), rtol=1e-5)
    assert torch.allclose(layer.running_var, pixels.var(1), rtol=1e-3)
    assert layer.momentum == 0.1 and layer.training


def test_a_constant_has_no_negative_variance():
    layer = nn.BatchNorm2d(1)
    measure_statistics(layer, [""], [torch.full((2, 1, 8, 8), 1234.567)] * 3, Processes())
    assert 0 <= layer.running_var.item() < 0.01


def test_an_interruption_leaves_the_layer_as_it_was():
    layer = nn.BatchNorm2d(3).eval()

    def batches():
        yield torch.randn(2, 3, 8, 8)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        measure_statistics(layer, [""], batches(), Processes())
    assert layer.momentum == 0.1 and not layer.training


def test_evaluation_and_training_mode_agree(index):
    """All images are one batch, so with its statistics the evaluated model does what it does in training."""
    trainer = make_trainer(index)
    train_epoch(trainer)
    measure_batch_norm(trainer, 0)
    model, batch = trainer.evaluated, first_images(trainer)
    expected = copied(statistics(model))
    for layer in model.modules():
        if isinstance(layer, BatchNorm):
            layer.momentum = 1.0
    with torch.no_grad():
        model.train()(batch.images)
    assert all(torch.allclose(expected[name], value) for name, value in statistics(model).items())
    assert all(not torch.equal(value, torch.zeros_like(value)) for value in expected.values())


def first_images(trainer) -> Batch:
    """Return all images, in the order in which they are measured."""
    return trainer.whole_batch(replace(PHASE, batch_size=4), epoch=0, number=0)


@pytest.mark.parametrize("ema", [True, False])
def test_they_depend_on_nothing_else(index, ema):
    """On no earlier statistics, so that a run which was stopped goes on as if it had not been."""
    trainer = make_trainer(index, ema=ema)
    train_epoch(trainer)
    measure_batch_norm(trainer, 0)
    first = copied(statistics(trainer.evaluated))
    for value in statistics(trainer.evaluated).values():
        value.fill_(7.0)
    measure_batch_norm(trainer, 0)
    assert same_bits(first, copied(statistics(trainer.evaluated)))
    assert trainer.detector.training and not (ema and trainer.evaluated.training)


def test_frozen_layers_keep_theirs(index):
    trainer = make_trainer(index, [replace(PHASE, frozen=("backbone",))])
    before = copied(statistics(trainer.evaluated))
    train_epoch(trainer, trainer.phases[0])
    measure_batch_norm(trainer, 0)
    for name, value in statistics(trainer.evaluated).items():
        assert torch.equal(value, before[name]) == name.startswith("backbone."), name


def test_with_batches_of_one_image_all_stay(index):
    trainer = make_trainer(index, [replace(PHASE, batch_size=1)])
    before = copied(statistics(trainer.evaluated))
    train_epoch(trainer, trainer.phases[0])
    measure_batch_norm(trainer, 0)
    assert same_bits(before, copied(statistics(trainer.evaluated)))


@pytest.mark.parametrize(
    ("batch_size", "parts", "sizes"), [(2, 1, [5] * 3), (4, 1, [8] * 2), (4, 2, [5] * 3), (8, 8, [3] * 5)]
)
def test_batches_are_at_most_four_times_those_of_training(tmp_path, batch_size, parts, sizes):
    trainer = make_trainer(drawn_index(tmp_path, 17), [replace(PHASE, batch_size=batch_size)])
    trainer.start_epoch(trainer.phases[0], 0)
    trainer.gradients.parts = parts  # as after running out of memory
    seen = []
    trainer.evaluated.register_forward_pre_hook(lambda _, inputs: seen.append(len(inputs[0])))
    measure_batch_norm(trainer, 0)
    assert seen == sizes  # of 17 images


def test_once_training_has_gone_on_for_long_the_running_ones_stay(index, monkeypatch):
    trainer = make_trainer(index)
    train_epoch(trainer)
    before = copied(statistics(trainer.evaluated))
    monkeypatch.setattr(batch_norm_statistics, "SETTLED_STEPS", 1)
    measure_batch_norm(trainer, 0)
    assert same_bits(before, copied(statistics(trainer.evaluated)))


def test_steps_are_counted_from_the_last_unfreezing(index):
    frozen, free = replace(PHASE, frozen=("backbone",), epochs=3), replace(PHASE, epochs=2)
    trainer = make_trainer(index, [frozen, free])  # 2 steps an epoch
    for steps, trained in ((0, 0), (1, 1), (6, 6), (7, 1), (10, 4)):
        trainer.steps = steps
        assert steps_trained(trainer) == trained


def test_which_layers_are_updated(index):
    detector = make_trainer(index).detector
    freeze(detector, ("backbone",))
    names = updated_layers(detector)
    assert names and all(name.startswith(("neck.", "head.")) for name in names)
    assert not updated_layers(detector.eval())
    assert not updated_layers(nn.GroupNorm(1, 4).train())
