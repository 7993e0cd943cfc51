"""How much memory a training takes, and how much it could still take."""

import multiprocessing
import os
import re
from pathlib import Path
from typing import NamedTuple

import torch

from utils.memory import available_memory

PROC = Path("/proc")
GIB = 1024**3


class MemoryUse(NamedTuple):
    """Bytes; 0 where the system does not tell, and `device` ones on a CPU.

    held          by this process and its workers, what they share counted once; without files that are mapped
    left          that can still be used without swapping
    device_peak   most that tensors have taken of the GPU so far
    device_limit  what this process can have of the GPU beside the others there
    """

    held: int = 0
    left: int = 0
    device_peak: int = 0
    device_limit: int = 0

    def figures(self, device: torch.device) -> dict[str, float | str]:
        """In GiB, by the names of their columns in metrics.csv; "" for what is not known."""
        shown = {"memory": self.held, "memory_left": self.left}
        if device.type == "cuda":
            shown |= {"gpu_memory": self.device_peak, "gpu_memory_limit": self.device_limit}
        return {name: value / GIB if value else "" for name, value in shown.items()}


def memory_use(device: torch.device) -> MemoryUse:
    """The memory of this process, of its workers, and of the device."""
    own = os.getpid(), *(child.pid for child in multiprocessing.active_children() if child.pid)
    held = sum(map(_held, own))
    if device.type != "cuda":
        return MemoryUse(held, available_memory())
    free, _ = torch.cuda.mem_get_info(device)
    limit = free + torch.cuda.memory_reserved(device)
    return MemoryUse(held, available_memory(), torch.cuda.max_memory_allocated(device), limit)


def _held(process: int) -> int:
    """The process's own memory and its share of what it shares, as Linux counts it; elsewhere 0."""
    try:
        text = (PROC / str(process) / "smaps_rollup").read_text("ascii")
    except OSError:  # another system, or a worker that has just ended
        return 0
    return 1024 * sum(map(int, re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB", text, re.MULTILINE)))
