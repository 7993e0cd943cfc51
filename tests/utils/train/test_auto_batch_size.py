"""The measured batch size."""

import pytest
import torch

from nets import build_detector
from tests.utils.train.tiny_training import copied, same_bits
from utils.system.distributed import Processes
from utils.train import auto_batch_size as batch_choice
from utils.train.auto_batch_size import Speed, choose_batch_size, measured_batch_size, noise


def by_speed(speeds):
    """Return a measurement that gives these images/s by batch size, and fails for any other size."""
    return lambda size: None if speeds[size] is None else size / speeds[size]


def test_the_smallest_that_is_nearly_as_fast_as_any():
    speeds = {1: 10.0, 2: 19.0, 4: 30.0, 8: 31.0, 16: 31.5, 32: 31.4}
    assert choose_batch_size(by_speed(speeds), max_size=32)[-1] == Speed(4, pytest.approx(30.0))


def test_it_ends_where_doubling_is_of_no_use():
    """32 would be faster, but is not measured."""
    speeds = {1: 10.0, 2: 20.0, 4: 18.0, 8: 19.0}
    assert choose_batch_size(by_speed(speeds), max_size=32)[-1].batch_size == 2


def test_it_ends_where_the_memory_does():
    speeds = {1: 10.0, 2: 20.0, 4: 40.0, 8: None}
    found = choose_batch_size(by_speed(speeds), max_size=64)
    assert [speed.batch_size for speed in found] == [1, 2, 4, 4]


def test_no_more_than_asked_for():
    asked = []
    choose_batch_size(lambda size: asked.append(size) or 1.0, max_size=5)
    assert asked == [1, 2, 4]


def test_no_memory_for_a_single_image():
    with pytest.raises(
        ValueError, match="not even a single image fits into memory; choose a smaller --image-size"
    ):
        choose_batch_size(lambda size: None, max_size=4)


@pytest.fixture
def detector():
    torch.manual_seed(0)
    return build_detector("yolox_nano", 2)


def measured(detector, images, processes=None):
    return measured_batch_size(detector, (64, 64), None, images, processes or Processes())


def test_measuring_leaves_no_trace(detector, capsys):
    before, numbers = copied(detector.state_dict()), torch.get_rng_state()
    assert measured(detector, 45) in (1, 2)  # so that an epoch has twenty steps
    assert same_bits(before, detector.state_dict()) and torch.equal(numbers, torch.get_rng_state())
    assert all(parameter.grad is None for parameter in detector.parameters())
    output = capsys.readouterr().out
    assert "batch size: " in output and "images/s per process by batch size: 1: " in output


def test_a_memory_that_turns_out_too_small(detector, monkeypatch):
    def step(detector, batch, device, dtype):
        if len(batch.images) > 4:
            raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes")
        return 1.0

    monkeypatch.setattr(batch_choice, "measure_step", step)
    assert measured(detector, 10_000) == 4


def test_a_memory_that_is_known_to_be_too_small(detector, monkeypatch):
    """At 64 px the activations take 2.4 MB an image, a step about three times as much."""
    monkeypatch.setattr(batch_choice, "measure_step", lambda *_: 1.0)
    monkeypatch.setattr(batch_choice, "available_memory", lambda: 64_000_000)
    assert measured(detector, 10_000) == 4


def test_what_else_goes_wrong_is_told(detector, monkeypatch):
    def step(*_):
        raise RuntimeError("shapes differ")

    monkeypatch.setattr(batch_choice, "measure_step", step)
    with pytest.raises(RuntimeError, match="shapes differ"):
        measured(detector, 100)


def test_noise_has_objects_within_the_images():
    batch = noise(3, (64, 96))
    assert batch.images.shape == (3, 3, 64, 96)
    boxes = batch.targets.boxes
    assert (boxes[..., 2:] > boxes[..., :2]).all() and (boxes >= 0).all()
    assert (boxes[..., 2:] <= torch.tensor([97.0, 65.0])).all() and batch.targets.valid.all()
