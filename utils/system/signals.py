"""Ctrl+C and SIGTERM handlers that let the program save the work before it exits."""

import math
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import FrameType

STOPPED_BY = {signal.SIGINT: "stopped by Ctrl+C", signal.SIGTERM: "stopped by SIGTERM"}
REPEAT_SECONDS = 1.0  # signals this close together are one request


class Stopped(KeyboardInterrupt):
    """The work was stopped by a signal or an error, and saved; the message says how to resume."""

    def __init__(self, exit_status: int, text: str) -> None:
        super().__init__(text)
        self.exit_status = exit_status


def exit_status_of(number: int) -> int:
    """Return the exit status by which shells report that a program was stopped by this signal."""
    return 128 + number


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Raise `Stopped` at Ctrl+C and SIGTERM, so that unfinished files are removed.

    Signals that follow within a second, as of a key pressed twice, do not disturb that; later ones raise
    again. A signal that was ignored before (Ctrl+C under nohup) stays ignored.
    """
    last = -math.inf

    def stop(number: int, _frame: FrameType | None) -> None:
        nonlocal last
        now, earlier = time.monotonic(), last
        last = now
        if now - earlier > REPEAT_SECONDS:
            raise Stopped(exit_status_of(number), STOPPED_BY[signal.Signals(number)])

    before = {number: signal.getsignal(number) for number in STOPPED_BY}
    for number, handler in before.items():
        if handler is not signal.SIG_IGN:
            signal.signal(number, stop)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


class StopSignal:
    """A stop request. While listening, a signal is recorded and the work continues.

    number  number of the received signal; 0 if none
    """

    def __init__(self) -> None:
        self.number = 0
        self._immediately = False

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Record Ctrl+C and SIGTERM instead of raising. A second signal raises KeyboardInterrupt(number)."""
        before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    @contextmanager
    def stopping_at_once(self) -> Iterator[None]:
        """Raise KeyboardInterrupt at the first signal within the block, for work that cannot stop midway."""
        self._immediately = True
        try:
            yield
        finally:
            self._immediately = False

    def _note(self, number: int, _frame: FrameType | None) -> None:
        again, self.number = self.number != 0, number
        if again or self._immediately:
            raise KeyboardInterrupt(number)


@dataclass
class Stop:
    """A flag that tells several threads to end: on a signal, or because the work is over."""

    signal: StopSignal = field(default_factory=StopSignal)
    over: bool = False

    @property
    def wanted(self) -> bool:
        """Whether the threads should end."""
        return self.over or self.signal.number != 0
