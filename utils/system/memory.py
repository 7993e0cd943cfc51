"""Used and available memory, and whether the C library keeps freed memory."""

import ctypes
import multiprocessing
import os
import re
import shutil
from pathlib import Path
from typing import NamedTuple

import torch

MEMINFO = Path("/proc/meminfo")
SHARED = Path("/dev/shm")  # the shared memory; often 64 MB in a container
CGROUP = Path("/sys/fs/cgroup")  # version 2, where containers and job queues set their limits

PROC = Path("/proc")
GIB = 1024**3

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD, M_MMAP_MAX = -1, -3, -4  # options of mallopt(3), from malloc.h
DEFAULT_THRESHOLD, DEFAULT_MMAP_MAX = 128 << 10, 65536  # glibc's, before it adapts to the program


def available_memory() -> int:
    """Return the bytes available without swapping, within the container's limit if there is one.

    A quarter of the total if the system does not report available memory; 0 if it does not report the total.
    """
    free = _machine_memory()
    limit, used = (_read_int(CGROUP / name) for name in ("memory.max", "memory.current"))
    return free if limit is None or used is None else min(free, max(0, limit - used + _reclaimable()))


def available_shared_memory() -> int:
    """Return the bytes available as shared memory; a process that uses more is killed (SIGBUS)."""
    free = available_memory()
    if SHARED.is_dir():
        return min(free, shutil.disk_usage(SHARED).free)
    return 0 if MEMINFO.is_file() else free  # Linux has no other shared memory


def _machine_memory() -> int:
    if MEMINFO.is_file():
        for line in MEMINFO.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 4
    except (AttributeError, ValueError, OSError):  # Windows has no sysconf
        return 0


def _reclaimable() -> int:
    """Return the bytes of file cache that count as used, but are freed when memory is needed."""
    try:
        found = re.search(r"^inactive_file (\d+)$", (CGROUP / "memory.stat").read_text(), re.MULTILINE)
    except OSError:
        return 0
    return int(found[1]) if found else 0


def _read_int(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):  # no such file, or "max" for no limit
        return None


class MemoryUse(NamedTuple):
    """Memory use in bytes; 0 where unknown, and in the GPU's fields on a CPU.

    used          memory of this process and its workers; shared memory counts once, mapped files do not count
    available     memory available without swapping
    device_peak   peak GPU memory allocated by tensors so far
    device_limit  free GPU memory plus the memory that this process has reserved
    """

    used: int = 0
    available: int = 0
    device_peak: int = 0
    device_limit: int = 0

    def columns(self, device: torch.device) -> dict[str, float | str]:
        """Return the GiB for each column of metrics.csv; "" where unknown."""
        columns = {"memory": self.used, "memory_left": self.available}
        if device.type == "cuda":
            columns |= {"gpu_memory": self.device_peak, "gpu_memory_limit": self.device_limit}
        return {name: value / GIB if value else "" for name, value in columns.items()}


def memory_use(device: torch.device) -> MemoryUse:
    """Measure the memory use of this process and its workers, and of the device."""
    workers = [child.pid for child in multiprocessing.active_children() if child.pid]
    used = sum(map(_used_by, [os.getpid(), *workers]))
    if device.type != "cuda":
        return MemoryUse(used, available_memory())
    free, _ = torch.cuda.mem_get_info(device)
    limit = free + torch.cuda.memory_reserved(device)
    return MemoryUse(used, available_memory(), torch.cuda.max_memory_allocated(device), limit)


def _used_by(process: int) -> int:
    """Return the proportional set size of a process in bytes, without mapped files; 0 if not on Linux."""
    try:
        text = (PROC / str(process) / "smaps_rollup").read_text("ascii")
    except OSError:  # not Linux, or the worker has just ended
        return 0
    return 1024 * sum(map(int, re.findall(r"^Pss_(?:Anon|Shmem): +(\d+) kB", text, re.MULTILINE)))


def keep_freed_memory() -> bool:
    """Make glibc keep freed memory for reuse; return whether that is possible.

    By default glibc returns the memory of large tensors to the system and requests it anew in each layer, and
    the system clears every page again. A training step of yolox_nano (320 px, batch 8, two cores) takes
    255 ms with this, 327 ms without; in bfloat16 240 and 267 ms. Detection on 8 images of 640 px takes 15 ms
    per image with this, 25 ms without. Does nothing with other C libraries.
    """
    return _mallopt({M_MMAP_MAX: 0, M_TRIM_THRESHOLD: 2**31 - 1})


def give_back_freed_memory() -> bool:
    """Make glibc return freed memory to the system immediately; return whether that is possible.

    For a process that ran out of memory: the memory that glibc keeps is too fragmented for large tensors, and
    libraries that ask the system directly, as oneDNN does for its generated code, cannot use it.
    """
    done = _mallopt(
        {
            M_MMAP_MAX: DEFAULT_MMAP_MAX,
            M_MMAP_THRESHOLD: DEFAULT_THRESHOLD,
            M_TRIM_THRESHOLD: DEFAULT_THRESHOLD,
        }
    )
    if done:
        ctypes.CDLL(None).malloc_trim(0)
    return done


def _mallopt(options: dict[int, int]) -> bool:
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError, TypeError):  # another C library, or Windows
        return False
    return all(mallopt(option, value) for option, value in options.items())
