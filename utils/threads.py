"""Two helpers for work beside the main one: reading ahead of it, and finishing behind it."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

T = TypeVar("T")


def ahead(items: Iterator[T]) -> Iterator[T]:
    """The same items; while one is in use, a thread takes the next. What it raises comes in its place."""
    end = object()
    with ThreadPoolExecutor(1) as pool:
        coming: Future[object] = pool.submit(next, items, end)
        while (item := coming.result()) is not end:
            coming = pool.submit(next, items, end)
            yield item  # type: ignore[misc]


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
