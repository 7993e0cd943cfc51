"""How long the device is idle between two steps because the next batch is not ready."""

import time
from collections import deque
from typing import Protocol

import torch


class IdleTimer(Protocol):
    """Measures the time between the end of a step and the start of the next."""

    def step_started(self) -> float:
        """Note that the next step starts; returns the seconds of idle time measured since the last call.

        The wait before the first step does not count: it is the start of the worker processes.
        """

    def step_ended(self) -> None:
        """Note that all work of a step was given to the device."""


def idle_timer(device: torch.device) -> IdleTimer:
    """Return the timer for the device."""
    return DeviceIdleTimer(device) if device.type == "cuda" else ClockIdleTimer()


class ClockIdleTimer:
    """Measures by the clock, for a CPU, where a step is done when its call returns."""

    def __init__(self) -> None:
        self.ended: float | None = None

    def step_started(self) -> float:
        """See `IdleTimer`."""
        return 0.0 if self.ended is None else time.perf_counter() - self.ended

    def step_ended(self) -> None:
        """See `IdleTimer`."""
        self.ended = time.perf_counter()


class DeviceIdleTimer:
    """Measures by CUDA events: the program runs ahead of the GPU, and may wait for data while the GPU works.

    Never synchronises with the GPU; idle time is counted once the GPU has passed the events around it.
    """

    def __init__(self, device: torch.device) -> None:
        self.stream = torch.cuda.current_stream(device)
        self.ended: torch.cuda.Event | None = None
        self.pending: deque[tuple[torch.cuda.Event, torch.cuda.Event]] = deque()

    def step_started(self) -> float:
        """See `IdleTimer`."""
        if self.ended is None:
            return 0.0
        self.pending.append((self.ended, self._event()))
        seconds = 0.0
        while self.pending and self.pending[0][1].query():
            ended, started = self.pending.popleft()
            seconds += ended.elapsed_time(started) / 1000
        return seconds

    def step_ended(self) -> None:
        """See `IdleTimer`."""
        self.ended = self._event()

    def _event(self) -> torch.cuda.Event:
        event = torch.cuda.Event(enable_timing=True)
        event.record(self.stream)
        return event
