"""Two helpers for work beside the main one: reading ahead of it, and finishing behind it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from threading import Event, Semaphore, Thread
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; while one is in use, a thread takes the next. What it raises comes in its place.

    Whoever stops early does not wait for the item that is on its way.
    """
    taken: SimpleQueue[tuple[list[T], BaseException | None]] = SimpleQueue()
    wanted, stopped = Semaphore(1), Event()

    def take() -> None:
        while wanted.acquire() and not stopped.is_set():
            try:
                taken.put((list(islice(items, 1)), None))
            except BaseException as error:
                taken.put(([], error))

    Thread(target=take, daemon=True).start()
    try:
        while True:
            item, error = taken.get()
            if error is not None:
                raise error
            if not item:
                return
            wanted.release()
            yield item[0]
    finally:
        stopped.set()
        wanted.release()


@contextmanager
def one_behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """A function that has a thread do some work, and waits for the work before it first.

    What the work raises is raised by the next call, or at the end, when all is done.
    """
    with ThreadPoolExecutor(1) as pool:
        last: Future[None] | None = None

        def do(work: Callable[[], None]) -> None:
            nonlocal last
            if last is not None:
                last.result()
            last = pool.submit(work)

        yield do
        if last is not None:
            last.result()
