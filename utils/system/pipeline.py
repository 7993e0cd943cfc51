"""Work in stages, a thread for each, so that the slowest alone sets the pace."""

from collections import deque
from collections.abc import Generator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from typing import Any, TypeVar

from utils.system.signals import StopSignal

T = TypeVar("T")

END: Any = object()
LOOK_SECONDS = 0.1  # how long somebody may wait before looking whether all is over


@dataclass
class Stop:
    """Whether all stages are to end, since the user asked for it by a signal, or the work is over."""

    signal: StopSignal = field(default_factory=StopSignal)
    over: bool = False

    @property
    def wanted(self) -> bool:
        """Whether they are to end."""
        return self.over or self.signal.number != 0


def ahead(items: Generator[T, None, None], most: int, stop: Stop) -> Generator[T, None, None]:
    """The same items in the same order, made in a thread of its own, up to `most` before they are wanted.

    What `items` raises is raised here, after all that came before it. With `stop` no more come; what was
    made and not taken is lost then. Closing this closes `items`.
    """
    worker = ThreadPoolExecutor(1)
    try:
        waiting = deque(worker.submit(next, items, END) for _ in range(most))
        while (item := _result(waiting.popleft(), stop)) is not END:
            waiting.append(worker.submit(next, items, END))
            yield item
    finally:
        worker.shutdown(cancel_futures=True)
        items.close()


def _result(future: "Future[T]", stop: Stop) -> T:
    """What the future gives, or END as soon as all is to stop. A signal must not wait for a dead camera."""
    while not stop.wanted:
        if wait([future], LOOK_SECONDS).done:
            return future.result()
    end: T = END
    return end
