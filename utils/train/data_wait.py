"""How long a device stands idle because the next batch is not there."""

import time
from collections import deque
from collections.abc import Iterable, Iterator
from typing import Protocol, TypeVar

import torch

from utils.train.epoch_state import EpochProgress

T = TypeVar("T")


class Gaps(Protocol):
    """Measures the time between the end of a step and the start of the next."""

    def start(self) -> None:
        """A step was given to the device."""

    def end(self) -> float:
        """The next is about to be: seconds of the gaps that are known by now and were not told before."""


def timing_waits(batches: Iterable[T], device: torch.device, progress: EpochProgress) -> Iterator[T]:
    """The batches; seconds for which the device has nothing to do without them go to `progress.waited`.

    The wait for the first is left out: workers start for it, however many there are.
    """
    gaps: Gaps = DeviceGaps(device) if device.type == "cuda" else ClockGaps()
    for number, batch in enumerate(batches):
        if number:
            progress.waited += gaps.end()
        yield batch
        gaps.start()


class ClockGaps:
    """By the clock, where a step is done when its call returns: on a CPU."""

    def __init__(self) -> None:
        self.started = 0.0

    def start(self) -> None:
        """See `Gaps`."""
        self.started = time.perf_counter()

    def end(self) -> float:
        """See `Gaps`."""
        return time.perf_counter() - self.started


class DeviceGaps:
    """By the GPU's own time stamps: the program runs ahead of it, and may wait for a batch while it works.

    Nothing waits for the GPU here; gaps are told of when it has passed them.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.current_stream(device)
        self.started = self._stamp()
        self.passing: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()

    def start(self) -> None:
        """See `Gaps`."""
        self.started = self._stamp()

    def end(self) -> float:
        """See `Gaps`."""
        self.passing.append((self.started, self._stamp()))
        seconds = 0.0
        while self.passing and self.passing[0][1].query():
            started, ended = self.passing.popleft()
            seconds += started.elapsed_time(ended) / 1000
        return seconds

    def _stamp(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(self.stream)
        return event
