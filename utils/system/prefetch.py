"""Work in threads beside the main one: making items before they are needed, and finishing work behind it."""

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
    """What comes after the last item: the error that ended the items, if any."""

    error: BaseException | None


def prefetch(
    items: Generator[T, None, None], depth: int = 1, stop: Stop | None = None
) -> Generator[T, None, None]:
    """Yield the same items in the same order, made in a thread, up to `depth` before they are needed.

    An error of `items` is raised here, after every item made before it. The thread closes `items` at the end.

    Without `stop`, closing this early does not wait for the item in progress: it may be a download that
    hangs. With `stop`, no more items come once it is wanted, those made and not taken are lost, and closing
    this waits until `items` is closed.
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
    """The next item or end; the end at once when a stop is wanted, for a dead camera gives no more items."""
    while stop is None or not stop.wanted:
        try:
            return made.get(timeout=POLL_SECONDS)
        except Empty:
            pass
    return _End(None)


@contextmanager
def one_behind() -> Iterator[Callable[[Callable[[], None]], None]]:
    """A function that runs work in a thread, after waiting for the work that it was given before.

    An error of the work is raised by the next call, or at the end of the block, when all work is done.
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
