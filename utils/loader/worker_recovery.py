"""A loader that outlives its worker processes."""

import signal
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset, Sampler

from utils.loader.batch import Batch

K = TypeVar("K")

DIED = "DataLoader worker (pid"  # what PyTorch says when one is gone
RAISED = "Caught "  # how it begins what was raised within one


class RecoveringLoader(Generic[K]):
    """Batches of a data set, which go on where they were when a worker process dies.

    Batches depend on their keys alone, so those after a death are the ones that would have come. Mostly it is
    the memory that was full, or in a container the shared memory: there is one worker less from then on.

    make  makes a DataLoader of the data set, such batches and a number of workers
    """

    def __init__(
        self,
        dataset: Dataset[Batch],
        batches: Sampler[list[K]],
        workers: int,
        make: Callable[[Dataset[Batch], Sampler[list[K]], int], DataLoader[Batch]],
    ) -> None:
        self.dataset, self.workers = dataset, workers
        self._batches, self._make = _Rest(batches), make
        self._loader = make(dataset, self._batches, workers)

    def __len__(self) -> int:
        """Batches in a whole epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        self._batches.done = 0
        while True:
            try:
                for batch in _quietly(self._loader):
                    self._batches.done += 1
                    yield batch
                return
            except (RuntimeError, EOFError, OSError) as error:
                if not self.workers or not has_died(error):
                    raise
            self.workers -= 1
            print(f"a process that loads images died, as when memory is full: going on with {self.workers}")
            self._loader = self._make(self.dataset, self._batches, self.workers)


def has_died(error: Exception) -> bool:
    """Whether an error says that a worker is gone, or that what it had sent went with it."""
    return DIED in str(error) or (not isinstance(error, RuntimeError) and not str(error).startswith(RAISED))


class _Rest(Sampler[list[K]]):
    """The batches that are still to come, after `done` of them."""

    def __init__(self, batches: Sampler[list[K]]) -> None:
        self.batches: Any = batches
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[K]]:
        return islice(iter(self.batches), self.done, None)


def _quietly(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """The loader's iterator. A death is told by the next batch: PyTorch would raise it from a signal handler.

    That could be anywhere, in the middle of a step or of a save. Told so, it takes up to five seconds.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    signal.signal(signal.SIGCHLD, before)
    return iterator
