"""How long the device is idle between steps: by the clock, and by CUDA events."""

import time
from types import SimpleNamespace

import pytest
import torch

from utils.train import data_wait
from utils.train.data_wait import idle_timer

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)


class Clock:
    """A clock that moves only in `sleep`."""

    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now

    def sleep(self, seconds):
        self.now += seconds


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(data_wait.time, "perf_counter", clock)
    return clock


def loading(clock, seconds):
    for number, duration in enumerate(seconds):
        clock.sleep(duration)
        yield number


def idle_seconds(batches, device, step):
    """Return the idle time up to each step, measured as the training loop does; `step` does the work."""
    timer, seconds, seen = idle_timer(device), 0.0, []
    for number in batches:
        seconds += timer.step_started()
        seen.append(seconds)
        step(number)
        timer.step_ended()
    return seen


def test_the_time_of_loading_counts_and_that_of_training_does_not(clock):
    """5 s for the first batch, in which the workers start, do not count: 2 + 3 s do."""
    assert idle_seconds(loading(clock, [5, 2, 3]), CPU, lambda _: clock.sleep(1)) == [0, 2, 5]


def test_no_batch_and_one_batch(clock):
    assert idle_seconds(loading(clock, []), CPU, print) == []
    assert idle_seconds(loading(clock, [5]), CPU, print) == [0]


def test_by_a_true_clock():
    batches = loading(SimpleNamespace(sleep=time.sleep), [0, 0.05, 0.05])
    assert 0.1 <= idle_seconds(batches, CPU, lambda _: time.sleep(0.2))[-1] < 0.2


class Stream:
    """A GPU's queue, which is empty from the time `free` on."""

    def __init__(self, clock):
        self.clock, self.free = clock, 0.0

    def work(self, seconds):
        self.free = max(self.free, self.clock.now) + seconds

    def event(self, enable_timing):
        assert enable_timing
        return Stamp(self)


class Stamp:
    def __init__(self, stream):
        self.stream = stream

    def record(self, stream):
        assert stream is self.stream
        stream.work(0)
        self.at = stream.free

    def query(self):
        return self.at <= self.stream.clock.now

    def elapsed_time(self, later):
        assert later.query(), "PyTorch refuses this before the event has happened"
        return 1000 * (later.at - self.at)


@pytest.fixture
def stream(clock, monkeypatch):
    stream = Stream(clock)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: stream)
    monkeypatch.setattr(torch.cuda, "Event", stream.event)
    return stream


def test_a_gpu_with_work_to_do_does_not_wait_though_the_program_does(clock, stream):
    """Batches come every 2 s and take the GPU 3 s: it is never idle, and the program waits all the time."""
    assert idle_seconds(loading(clock, [2] * 10), GPU, lambda _: stream.work(3))[-1] == 0.0


def test_a_gpu_that_is_faster_waits(clock, stream):
    """Batches come every 3 s and take it 2 s: between ten batches there are nine gaps of 1 s."""
    seen = idle_seconds(loading(clock, [3] * 10), GPU, lambda _: stream.work(2))
    assert seen[-1] == pytest.approx(9.0)


def test_a_gpu_that_is_behind_catches_up_before_it_waits(clock, stream):
    """A step of 2.5 s from 0 s on, then a batch every second, each of 0.5 s of work.

    When batches 1, 2, 3, 4 come, at 1, 2, 3, 4 s, it has work until 2.5, 3, 3.5, 4 s; until 4.5 s at 5 s.
    """
    batches = loading(clock, [0, *[1] * 6])
    seen = idle_seconds(batches, GPU, lambda number: stream.work(2.5 if number == 0 else 0.5))
    assert seen == pytest.approx([0, 0, 0, 0, 0, 0.5, 1.0])
