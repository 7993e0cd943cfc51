"""Ctrl+C and SIGTERM, heard where work can be saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


class Stopped(KeyboardInterrupt):
    """Work was stopped, by a signal or by a fault, and is saved; its text says how to go on."""

    def __init__(self, exit_status: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def status_of(number: int) -> int:
    """The exit status of a program that a signal stopped, as shells have it."""
    return 128 + number


class StopSignal:
    """Whether the program was asked to stop. While it listens, a signal is noted, and work goes on.

    number  of the signal that came, 0 before
    """

    def __init__(self) -> None:
        self.number = 0
        self._at_once = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl+C and SIGTERM instead of being stopped by them. A second one stops at once."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """Within, a signal raises KeyboardInterrupt: for work that cannot be cut into steps."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again, self.number = self.number != 0, number
        if again or self._at_once:
            raise KeyboardInterrupt


@dataclass
class Stop:
    """Whether several threads are to end: by a signal of the user, or because the work is over."""

    signal: StopSignal = field(default_factory=StopSignal)
    over: bool = False

    @property
    def wanted(self) -> bool:
        """Whether the threads are to end."""
        return self.over or self.signal.number != 0
