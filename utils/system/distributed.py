"""Distributed training: several processes, one per GPU, started by torchrun.

    torchrun --nproc-per-node 4 train.py ...

torchrun gives each process its rank in environment variables. Without them there is a single process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed

from utils.system.signals import Stopped

T = TypeVar("T")

TIMEOUT = timedelta(minutes=30)  # of waiting for another process; the first one may evaluate for minutes
GLOO = "gloo"  # part of the messages of its errors, which have no type of their own


@dataclass(frozen=True)
class Processes:
    """The rank of this process, and the number of processes that train together.

    rank              global rank, 0 to world_size - 1; rank 0 writes the files
    world_size        number of processes
    local_rank        rank on this machine, also the index of this process's GPU
    local_world_size  number of processes on this machine
    """

    rank: int = 0
    world_size: int = 1
    local_rank: int = 0
    local_world_size: int = 1

    @property
    def first(self) -> bool:
        """Whether this is rank 0, which prints and writes the files."""
        return self.rank == 0

    def per_process(self, batch_size: int) -> int:
        """Return the batch size of each process. ValueError if it cannot be divided evenly."""
        if batch_size % self.world_size:
            raise ValueError(
                f"a batch of {batch_size} cannot be divided among {self.world_size} processes: choose "
                f"multiples of {self.world_size} for --batch-size and --freeze-batch-size"
            )
        return batch_size // self.world_size

    def device(self, chosen: torch.device) -> torch.device:
        """Return the GPU of this process, or `chosen` if it is a CPU or there is only one process."""
        own_gpu = self.world_size > 1 and chosen.type == "cuda"
        return torch.device("cuda", self.local_rank) if own_gpu else chosen

    @contextmanager
    def first_then_others(self) -> Iterator[None]:
        """Run the block in rank 0, then in the other processes, which find the files that rank 0 wrote."""
        if not self.first:
            self.wait()
        yield
        if self.first:
            self.wait()

    def wait(self) -> None:
        """Wait until all processes are here."""
        if self.world_size > 1:
            distributed.barrier()

    def gather(self, value: T) -> list[T]:
        """Return the values of all processes, in order of rank."""
        if self.world_size == 1:
            return [value]
        values: list[T] = [value] * self.world_size
        distributed.all_gather_object(values, value)
        return values

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """Return the mean of each scalar tensor over all processes, as tensors on the device."""
        if self.world_size == 1:
            return values
        sums = torch.stack([*values.values()])
        distributed.all_reduce(sums)
        return dict(zip(values, sums / self.world_size, strict=True))

    def broadcast(self, value: T) -> T:
        """Return the value of rank 0."""
        if self.world_size == 1:
            return value
        values: list[T] = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def largest(self, value: int) -> int:
        """Return the maximum of `value` over all processes."""
        return max(self.gather(value))


def torchrun_processes() -> Processes:
    """Read the ranks from torchrun's environment variables; without them, return a single process."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not all(name in os.environ for name in names):
        return Processes()
    return Processes(*(int(os.environ[name]) for name in names))


def remember(name: str, text: str) -> None:
    """Keep a text in torchrun's store, for the processes that it starts if one of these dies."""
    if _from_torchrun():
        _store().set(name, text)


def recall(name: str) -> str | None:
    """Return the text that `remember` kept; None if there is none."""
    if not _from_torchrun():
        return None
    store = _store()
    return store.get(name).decode() if store.check([name]) else None


def restart_count() -> int:
    """Return how often torchrun has restarted the processes because a process died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def process_group(processes: Processes, device: torch.device) -> Iterator[None]:
    """Join the process group, with NCCL on GPUs or gloo on CPUs, and leave it at the end.

    Only rank 0 prints; the output of other processes is dropped.
    """
    if processes.world_size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=_rendezvous_store(),
        rank=processes.rank,
        world_size=processes.world_size,
        timeout=TIMEOUT,
    )
    try:
        with nullcontext() if processes.first else _without_output():
            yield
    except RuntimeError as error:
        if not (isinstance(error, distributed.DistError) or GLOO in str(error)):
            raise
        reason = f"another process of this training died or does not answer: {str(error).splitlines()[0]}"
        raise Stopped(1, reason) from error
    finally:
        distributed.destroy_process_group()


def _rendezvous_store() -> distributed.Store:
    """Return the store where processes exchange addresses: torchrun's if it has one, else a new one.

    Each restart uses its own prefix, so that addresses of processes that died are not found.
    """
    return distributed.PrefixStore(f"restart_{restart_count()}", _store())


def _store() -> distributed.TCPStore:
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    return distributed.TCPStore(host, port, is_master=not _from_torchrun() and os.environ["RANK"] == "0")


def _from_torchrun() -> bool:
    """Whether torchrun keeps the store, which then outlives the processes."""
    return os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"


@contextmanager
def _without_output() -> Iterator[None]:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield
