"""How much memory is said to be free and used, and what happens to memory that was freed."""

import math
import multiprocessing
import subprocess
import sys
from types import SimpleNamespace

import pytest
import torch

from tests.helpers import ROOT
from utils.system import memory
from utils.system.memory import (
    GIB,
    MemoryUse,
    available_memory,
    available_shared_memory,
    give_back_freed_memory,
    keep_freed_memory,
)

FAULTS = """
import resource, sys
import torch
from utils.system.memory import give_back_freed_memory, keep_freed_memory

if sys.argv[1] != "as it is":
    assert keep_freed_memory()
if sys.argv[1] == "give back":
    assert give_back_freed_memory()
for step in range(12):
    if step == 6:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    value = torch.ones(10_000_000)  # 40 MB: 9766 pages
    del value
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

CPU, GPU = torch.device("cpu"), torch.device("cuda", 0)
ROLLUP = """00400000-7fff r--p 00000000 00:00 0  [rollup]
Rss:               90000 kB
Pss:               80000 kB
Pss_Dirty:         70000 kB
Pss_Anon:           3000 kB
Pss_File:          60000 kB
Pss_Shmem:           500 kB
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    (tmp_path / "meminfo").write_text("MemTotal:  9000 kB\nMemFree:  100 kB\nMemAvailable:   5000 kB\n")
    monkeypatch.setattr(memory, "MEMINFO", tmp_path / "meminfo")
    monkeypatch.setattr(memory, "CGROUP", tmp_path)
    monkeypatch.setattr(memory, "SHARED", tmp_path)
    return tmp_path


def test_of_the_machine(machine):
    assert available_memory() == 5000 * 1024
    (machine / "memory.max").write_text("max\n")
    (machine / "memory.current").write_text("77\n")
    assert available_memory() == 5000 * 1024


def test_of_the_container(machine):
    (machine / "memory.max").write_text("3000000\n")
    (machine / "memory.current").write_text("1000000\n")
    assert available_memory() == 2_000_000
    (machine / "memory.current").write_text("4000000\n")
    assert available_memory() == 0


def test_files_in_memory_are_no_use_of_it(machine):
    """A container's use counts what it has read of files, too; what the system would drop of them is free."""
    (machine / "memory.max").write_text("3000000\n")
    (machine / "memory.current").write_text("2900000\n")
    (machine / "memory.stat").write_text("anon 900000\ninactive_file 1500000\nactive_file 500000\n")
    assert available_memory() == 100_000 + 1_500_000
    (machine / "memory.stat").write_text("anon 900000\n")
    assert available_memory() == 100_000


def test_without_meminfo_it_is_a_quarter_of_all(machine, monkeypatch):
    (machine / "meminfo").unlink()
    pages = {"SC_PHYS_PAGES": 1000, "SC_PAGE_SIZE": 4096}
    monkeypatch.setattr(memory.os, "sysconf", pages.__getitem__)
    assert available_memory() == 1000 * 4096 // 4


def test_what_processes_can_share(machine, monkeypatch):
    usage = SimpleNamespace(free=64)
    monkeypatch.setattr(memory.shutil, "disk_usage", {machine: usage}.__getitem__)
    assert available_shared_memory() == 64
    usage.free = 10**12
    assert available_shared_memory() == available_memory()
    monkeypatch.setattr(memory, "SHARED", machine / "none")
    assert available_shared_memory() == 0  # Linux has no other
    monkeypatch.setattr(memory, "MEMINFO", machine / "none")
    assert available_shared_memory() == available_memory()


@pytest.mark.skipif(not keep_freed_memory(), reason="only glibc can be told")
def test_pages_are_asked_for_once():
    line = [sys.executable, "-c", FAULTS]
    faults = {
        how: int(subprocess.run([*line, how], cwd=ROOT, capture_output=True, text=True, check=True).stdout)
        for how in ("keep", "give back", "as it is")
    }
    assert (
        faults["keep"] < 20_000 and min(faults["give back"], faults["as it is"]) > 50_000
    )  # all six are 58,596


def test_another_c_library(monkeypatch):
    monkeypatch.setattr(memory.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
    assert give_back_freed_memory() is False


@pytest.fixture
def proc(tmp_path, monkeypatch):
    """This process, 7, and a worker, 8."""
    monkeypatch.setattr(memory, "PROC", tmp_path)
    monkeypatch.setattr(memory.os, "getpid", lambda: 7)
    worker = type("Worker", (), {"pid": 8})
    monkeypatch.setattr(memory.multiprocessing, "active_children", lambda: [worker])
    monkeypatch.setattr(memory, "available_memory", lambda: 123)
    for process in (7, 8):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "smaps_rollup").write_text(ROLLUP)
    return tmp_path


def test_own_memory_and_the_workers_without_files(proc):
    assert memory.memory_use(CPU) == MemoryUse(used=2 * 3500 * 1024, available=123)


def test_a_worker_that_has_just_ended(proc):
    (proc / "8" / "smaps_rollup").unlink()
    assert memory.memory_use(CPU).used == 3500 * 1024


def test_a_system_that_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(memory, "PROC", tmp_path)
    use = memory.memory_use(CPU)
    assert use.used == 0 and use.columns(CPU)["memory"] == ""


def test_of_a_gpu(proc, monkeypatch):
    """8 GiB are free beside the 3 that PyTorch has: so many it can have, whatever others take of the rest."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * GIB, 24 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2 * GIB)
    figures = memory.memory_use(GPU).columns(GPU)
    assert (figures["gpu_memory"], figures["gpu_memory_limit"]) == (2.0, 11.0)


def test_figures_are_in_gib():
    assert MemoryUse(3 * GIB, GIB // 2).columns(CPU) == {"memory": 3.0, "memory_left": 0.5}
    assert [*MemoryUse(1, 1, 1, 1).columns(GPU)] == [
        "memory",
        "memory_left",
        "gpu_memory",
        "gpu_memory_limit",
    ]


def hold(size, ready, done):
    content = bytes(range(256)) * (size // 256)
    ready.set()
    done.wait(60)
    assert len(content) == size


@pytest.mark.skipif(not memory.PROC.is_dir(), reason="needs Linux")
def test_what_a_worker_takes_is_seen():
    """64 MB, give or take what a process needs itself."""
    before = memory.memory_use(CPU).used
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    worker = context.Process(target=hold, args=(64_000_000, ready, done))
    worker.start()
    assert ready.wait(60)
    grown = memory.memory_use(CPU).used - before
    done.set()
    worker.join()
    assert math.isclose(grown, 64e6, rel_tol=0.4)
