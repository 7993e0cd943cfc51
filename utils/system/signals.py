"""Ctrl+C and SIGTERM, noted so that the program can stop where its work can be saved."""

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType


class Stopped(KeyboardInterrupt):
    """Work was stopped by a signal or an error, and is saved; the text says how to resume."""

    def __init__(self, exit_status: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def exit_status_of(number: int) -> int:
    """Return the exit status that shells give to a program stopped by this signal."""
    return 128 + number


class StopSignal:
    """Whether the program was asked to stop. While listening, a signal is noted and work continues.

    number  of the received signal; 0 if there was none
    """

    def __init__(self) -> None:
        self.number = 0
        self._immediately = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Note Ctrl+C and SIGTERM instead of raising. A second signal raises KeyboardInterrupt."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """Within the block a signal raises KeyboardInterrupt: for work that has no steps to stop between."""
        self._immediately = True
        try:
            yield
        finally:
            self._immediately = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again, self.number = self.number != 0, number
        if again or self._immediately:
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
