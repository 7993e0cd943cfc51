"""How much memory a program may still take."""

import os
import re
import shutil
from pathlib import Path

MEMINFO = Path("/proc/meminfo")
SHARED = Path("/dev/shm")  # what processes share lies there; in a container it is often 64 MB
CGROUP = Path("/sys/fs/cgroup")  # of the second version, where containers and job queues set their limits


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
