"""Background threads: generate items before they are needed, and finish work while the caller goes on."""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing, contextmanager
from queue import Empty, SimpleQueue
from threading import Event, Semaphore, Thread
from typing import NamedTuple, TypeVar

from utils.system.signals import Stop

T = TypeVar("T")

POLL_SECONDS = 0.1  # how often to look for a stop signal while waiting for an item


class _End(NamedTuple):
    """The marker after the last item, with the error that ended the generator, if any."""

    error: BaseException | None


def prefetch(
    items: Generator[T, None, None], depth: int = 1, stop: Stop | None = None
) -> Generator[T, None, None]:
    """Yield the items in order, generated in a background thread up to `depth` items ahead.

    An error in `items` is raised after all items before it. The thread closes `items` at the end.

    Without `stop`, closing this generator early does not wait for the item in progress, which may be a
    download that hangs. With `stop`, items end once a stop is requested, items generated but not yet taken
    are lost, and closing this generator waits until `items` is closed.
    """
    made: SimpleQueue[tuple[T] | _End] = SimpleQueue()
    room, closed = Semaphore(depth), Event()

    def make() -> None:
        error = None
        try:
            with closing(items):
                while room.acquire() and not closed.is_set():
                    made.put((next(items),))
        except StopIteration:
            pass
        except BaseException as raised:
            error = raised
        made.put(_End(error))

    thread = Thread(target=make, name="prefetch", daemon=True)
    thread.start()
    try:
        while not isinstance(item := _taken(made, stop), _End):
            room.release()
            yield item[0]
        if item.error is not None:
            raise item.error
    finally:
        closed.set()
        room.release()
        if stop is not None:
            thread.join()


def _taken(made: "SimpleQueue[tuple[T] | _End]", stop: Stop | None) -> tuple[T] | _End:
    """Return the next item, or the end marker if a stop is requested (a dead camera gives no more items)."""
    while stop is None or not stop.wanted:
        try:
            return made.get(timeout=POLL_SECONDS)
        except Empty:
            pass
    return _End(None)


@contextmanager
def one_behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """Yield a function that starts its argument in a thread, after the work of the previous call ends.

    An error is raised by the next call, or at the end of the block, which waits for the last work.
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
