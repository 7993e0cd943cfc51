"""A data loader that survives the death of worker processes."""

import signal
import threading
from collections.abc import Callable, Iterator
from itertools import islice
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset, Sampler

from utils.loader.batch import Batch

Key = TypeVar("Key")

WORKER_DIED = "DataLoader worker (pid"  # in PyTorch's message when a worker is gone
RAISED_IN_WORKER = "Caught "  # the start of its message for an exception within one


class RecoveringLoader(Generic[Key]):
    """A loader that continues with the next batch when a worker process dies.

    Batches depend on their keys only, so they are the same as without the death. The usual cause is that
    memory, or a container's shared memory, is full: from then on there is one worker less.

    make  returns a DataLoader for the data set, a sampler and a number of workers
    """

    def __init__(
        self,
        dataset: Dataset[Batch],
        batches: Sampler[list[Key]],
        workers: int,
        make: Callable[[Dataset[Batch], Sampler[list[Key]], int], DataLoader[Batch]],
    ) -> None:
        self.dataset, self.workers = dataset, workers
        self._batches, self._make = _Remaining(batches), make
        self._loader = make(dataset, self._batches, workers)

    def __len__(self) -> int:
        """Return the number of batches in a whole epoch."""
        return len(self._batches)

    def __iter__(self) -> Iterator[Batch]:
        self._batches.done = 0
        while True:
            try:
                for batch in _without_signal_handler(self._loader):
                    self._batches.done += 1
                    yield batch
                return
            except (RuntimeError, EOFError, OSError) as error:
                if not self.workers or not worker_died(error):
                    raise
            self.workers -= 1
            print(f"a process that loads images died, perhaps of full memory: going on with {self.workers}")
            self._loader = self._make(self.dataset, self._batches, self.workers)


def worker_died(error: Exception) -> bool:
    """Whether an error means that a worker died, or that a batch it had sent was lost with it."""
    lost_batch = not isinstance(error, RuntimeError) and not str(error).startswith(RAISED_IN_WORKER)
    return WORKER_DIED in str(error) or lost_batch


class _Remaining(Sampler[list[Key]]):
    """The remaining batches of an epoch, after `done` of them."""

    def __init__(self, batches: Sampler[list[Key]]) -> None:
        self.batches: Any = batches
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        return islice(iter(self.batches), self.done, None)


def _without_signal_handler(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """Return the loader's iterator, without PyTorch's signal handler for the death of a worker.

    The handler would raise from anywhere, in the middle of a step or of a save. Without it, the next batch
    raises, up to five seconds later.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    iterator = iter(loader)
    signal.signal(signal.SIGCHLD, before)
    return iterator
