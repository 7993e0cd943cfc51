"""A data loader that survives the death of worker processes."""

import multiprocessing
import signal
import threading
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from typing import Any, Generic, TypeVar

from torch.utils.data import DataLoader, Dataset, Sampler

from utils.loader.batch import Batch

Key = TypeVar("Key")

WORKER_DIED = "DataLoader worker (pid"  # part of PyTorch's message when a worker has died
NO_SHARED_MEMORY = "shared memory"  # part of PyTorch's messages when a worker cannot hand over a batch
RAISED_IN_WORKER = "Caught "  # start of PyTorch's message for an exception in a worker


class RecoveringLoader(Generic[Key]):
    """A loader that continues with the next batch after a worker process died, with one worker less.

    Batches depend only on their keys, so no batch is lost or changed. The usual cause is that memory, or a
    container's shared memory, is full.

    workers  number of processes, of which no more are started than there are batches
    make     function that returns a DataLoader for the data set, a sampler and a number of workers
    """

    def __init__(
        self,
        dataset: Dataset[Batch],
        batches: Sampler[list[Key]],
        workers: int,
        make: Callable[[Dataset[Batch], Sampler[list[Key]], int], DataLoader[Batch]],
    ) -> None:
        self._batches, self._make = _Remaining(batches), make
        self.dataset, self.workers = dataset, min(workers, len(self._batches))
        with _any_number_of_workers():
            self._loader = make(dataset, self._batches, self.workers)

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
            except (RuntimeError, EOFError, OSError, ValueError) as error:
                if str(error).startswith(RAISED_IN_WORKER) and not isinstance(error, RuntimeError):
                    raise type(error)(original_message(error)) from None
                if not self.workers or not worker_died(error):
                    raise
                full = NO_SHARED_MEMORY in str(error)
            self.workers -= 1
            what = "found no room in shared memory (/dev/shm)" if full else "died, perhaps of full memory"
            print(f"a process that loads images {what}: going on with {self.workers}")
            self._loader = self._make(self.dataset, self._batches, self.workers)


def worker_died(error: Exception) -> bool:
    """Return whether a worker died, or a batch was lost with it or for lack of shared memory."""
    if isinstance(error, RuntimeError):
        return WORKER_DIED in str(error) or NO_SHARED_MEMORY in str(error)
    return not isinstance(error, ValueError)


def original_message(error: Exception) -> str:
    """Return the message of an exception in a worker, to which PyTorch adds the worker's traceback."""
    return str(error).rpartition(f"{type(error).__name__}: ")[2].strip()


def can_start_workers() -> bool:
    """Return whether the system has what processes communicate by; without /dev/shm, Linux has not."""
    try:
        multiprocessing.Lock()
    except OSError:
        return False
    return True


class _Remaining(Sampler[list[Key]]):
    """A sampler of the remaining batches of an epoch, after the first `done`."""

    def __init__(self, batches: Sampler[list[Key]]) -> None:
        self.batches: Any = batches
        self.done = 0

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list[Key]]:
        return islice(iter(self.batches), self.done, None)


@contextmanager
def _any_number_of_workers() -> Iterator[None]:
    """Suppress PyTorch's warning of more workers than cores: the user asked for them."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This DataLoader will create")
        yield


def _without_signal_handler(loader: DataLoader[Batch]) -> Iterator[Batch]:
    """Return the loader's iterator, without PyTorch's signal handler for dead workers.

    The handler would raise anywhere, in the middle of a step or a save. Without the handler, fetching the
    next batch raises, up to five seconds later.
    """
    if not hasattr(signal, "SIGCHLD") or threading.current_thread() is not threading.main_thread():
        return iter(loader)
    before = signal.getsignal(signal.SIGCHLD)
    with _any_number_of_workers():
        iterator = iter(loader)
    signal.signal(signal.SIGCHLD, before)
    return iterator
