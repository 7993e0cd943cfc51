"""How much memory a program takes and may still take, and how the C library keeps what was freed."""

import ctypes
import multiprocessing
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import torch

MEMINFO = Path("/proc/meminfo")
SHARED = Path("/dev/shm")  # what processes share lies there; in a container it is often 64 MB
CGROUP = Path("/sys/fs/cgroup")  # of the second version, where containers and job queues set their limits

PROC = Path("/proc")
GIB = 1024**3

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # of mallopt(3), by their numbers in malloc.h
SMALL, MAPPINGS = 128 << 10, 65536  # what glibc begins with, before it adapts to what a program does


def available_memory() -> int:
    """Bytes that can be used without swapping: of the machine, or of the container if that is less.

    Where the system does not tell what is free, a quarter of what there is; 0 where it tells nothing.
    """
    free = _free_of_machine()
    limit, used = (_number(CGROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, max(0, limit - used + _droppable()))


def available_shared_memory() -> int:
    """Bytes of memory that processes can share: whoever takes more is killed (SIGBUS)."""
    free = available_memory()
    return min(free, shutil.disk_usage(SHARED).free) if SHARED.is_dir() else free


def _free_of_machine() -> int:
    if MEMINFO.is_file():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 0


def _droppable() -> int:
    """Bytes that count as used, and are contents of files that the system drops when it needs the memory."""
    try:
        found = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max" for no limit
        return None


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


def keep_freed_memory() -> bool:
    """Let the program keep the memory that it frees, for what it needs next; whether that can be set here.

    By default glibc gives large tensors back to the system and asks for them anew in each layer, and the
    system has to clear every page again. A step of yolox_nano (320 px, batch 8, two cores) takes 255 ms with
    this, 327 without; in bfloat16 240 and 267. Detection on 8 images of 640 px takes 15 ms each with this,
    25 without. Elsewhere than with glibc, nothing happens.
    """
    return _set({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1})


def give_back_freed_memory() -> bool:
    """From here on give freed memory back to the system at once; whether that can be set here.

    For a memory that was full: what is free lies in pieces between what is used, too small for a large tensor
    and out of reach for whatever asks the system itself, as oneDNN does for the code that it makes.
    """
    done = _set({M_MMAP_MAX: MAPPINGS, M_MMAP_THRESHOLD: SMALL, M_TRIM_THRESHOLD: SMALL})
    if done:
        ctypes.CDLL(None).malloc_trim(0)
    return done


def _set(options: dict[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or Windows, where there is no such name
        return False
    return all(mallopt(option, value) for option, value in options.items())
