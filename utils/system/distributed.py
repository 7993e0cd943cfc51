"""The processes that train together, one a GPU, as torchrun starts them.

    torchrun --nproc-per-node 4 train.py ...

torchrun tells each process its place by environment variables. Without them there is one process.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import torch
from torch import Tensor, distributed

T = TypeVar("T")


@dataclass(frozen=True)
class Processes:
    """This process's place among those that train together.

    rank   its number among all; 0 writes the files
    size   how many there are
    local  its number on this machine, which is that of its GPU
    here   how many there are on this machine
    """

    rank: int = 0
    size: int = 1
    local: int = 0
    here: int = 1

    @property
    def first(self) -> bool:
        """Whether this process prints, and writes the files."""
        return self.rank == 0

    def share(self, batch_size: int) -> int:
        """The part of a batch that each process has. ValueError where it cannot be divided."""
        if batch_size % self.size:
            raise ValueError(
                f"a batch of {batch_size} cannot be divided among {self.size} processes: choose a multiple "
                "of their number for --batch-size and --freeze-batch-size"
            )
        return batch_size // self.size

    def device(self, chosen: torch.device) -> torch.device:
        """The GPU of this process, where GPUs were chosen."""
        several = self.size > 1 and chosen.type == "cuda"
        return torch.device("cuda", self.local) if several else chosen

    @contextmanager
    def one_after_another(self) -> Iterator[None]:
        """The block in the first process, and then in the others, which find what the first has made."""
        if self.size > 1 and not self.first:
            distributed.barrier()
        yield
        if self.size > 1 and self.first:
            distributed.barrier()

    def gather(self, value: T) -> list[T]:
        """The values of all processes, in the order of their ranks."""
        if self.size == 1:
            return [value]
        values: list[T] = [value] * self.size
        distributed.all_gather_object(values, value)
        return values

    def mean(self, values: dict[str, Tensor]) -> dict[str, Tensor]:
        """The mean over all processes of each of some scalars on the device."""
        if self.size == 1:
            return values
        together = torch.stack([*values.values()])
        distributed.all_reduce(together)
        return dict(zip(values, together / self.size, strict=True))

    def from_first(self, value: T) -> T:
        """The value that the first process has."""
        if self.size == 1:
            return value
        values: list[T] = [value]
        distributed.broadcast_object_list(values, src=0)
        return values[0]

    def largest(self, value: int) -> int:
        """The largest of the values of all processes."""
        return max(self.gather(value))


def place_among_processes() -> Processes:
    """What torchrun says; a single process where it did not start this one."""
    names = ("RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
    if not all(name in os.environ for name in names):
        return Processes()
    return Processes(*(int(os.environ[name]) for name in names))


def restarts() -> int:
    """How often torchrun has started the processes again, after one of them died."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0"))


@contextmanager
def process_group(processes: Processes, device: torch.device) -> Iterator[None]:
    """Meet the other processes, by NCCL on GPUs and by gloo on CPUs, and part in the end.

    What others than the first print is dropped.
    """
    if processes.size == 1:
        yield
        return
    if device.type == "cuda":
        torch.cuda.set_device(device)
    distributed.init_process_group(
        "nccl" if device.type == "cuda" else "gloo",
        store=_meeting_place(),
        rank=processes.rank,
        world_size=processes.size,
    )
    try:
        with nullcontext() if processes.first else _quiet():
            yield
    finally:
        distributed.destroy_process_group()


def _meeting_place() -> distributed.Store:
    """Where processes leave word of how they are reached, in the store that torchrun keeps.

    A place of its own for each restart: in the old one they would find the addresses of the dead.
    """
    host, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
    kept = os.environ.get("TORCHELASTIC_USE_AGENT_STORE") == "True"
    store = distributed.TCPStore(host, port, is_master=not kept and os.environ["RANK"] == "0")
    return distributed.PrefixStore(f"restart_{restarts()}", store)


@contextmanager
def _quiet() -> Iterator[None]:
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stdout(nowhere):
        yield
