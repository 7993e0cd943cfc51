"""What a training holds of the memory, with its workers."""

import math
import multiprocessing

import pytest
import torch

from utils import memory_use
from utils.memory_use import GIB, MemoryUse

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
def proc(tmp_path, monkeypatch):
    """This process, 7, and a worker, 8."""
    monkeypatch.setattr(memory_use, "PROC", tmp_path)
    monkeypatch.setattr(memory_use.os, "getpid", lambda: 7)
    worker = type("Worker", (), {"pid": 8})
    monkeypatch.setattr(memory_use.multiprocessing, "active_children", lambda: [worker])
    monkeypatch.setattr(memory_use, "available_memory", lambda: 123)
    for process in (7, 8):
        (tmp_path / str(process)).mkdir()
        (tmp_path / str(process) / "smaps_rollup").write_text(ROLLUP)
    return tmp_path


def test_own_memory_and_the_workers_without_files(proc):
    assert memory_use.memory_use(CPU) == MemoryUse(held=2 * 3500 * 1024, left=123)


def test_a_worker_that_has_just_ended(proc):
    (proc / "8" / "smaps_rollup").unlink()
    assert memory_use.memory_use(CPU).held == 3500 * 1024


def test_a_system_that_does_not_tell(tmp_path, monkeypatch):
    monkeypatch.setattr(memory_use, "PROC", tmp_path)
    use = memory_use.memory_use(CPU)
    assert use.held == 0 and use.figures(CPU)["memory"] == ""


def test_of_a_gpu(proc, monkeypatch):
    """8 GiB are free beside the 3 that PyTorch has: so many it can have, whatever others take of the rest."""
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (8 * GIB, 24 * GIB))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda device: 3 * GIB)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 2 * GIB)
    figures = memory_use.memory_use(GPU).figures(GPU)
    assert (figures["gpu_memory"], figures["gpu_memory_limit"]) == (2.0, 11.0)


def test_figures_are_in_gib():
    assert MemoryUse(3 * GIB, GIB // 2).figures(CPU) == {"memory": 3.0, "memory_left": 0.5}
    assert [*MemoryUse(1, 1, 1, 1).figures(GPU)] == [
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


@pytest.mark.skipif(not memory_use.PROC.is_dir(), reason="needs Linux")
def test_what_a_worker_takes_is_seen():
    """64 MB, give or take what a process needs itself."""
    before = memory_use.memory_use(CPU).held
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    worker = context.Process(target=hold, args=(64_000_000, ready, done))
    worker.start()
    assert ready.wait(60)
    grown = memory_use.memory_use(CPU).held - before
    done.set()
    worker.join()
    assert math.isclose(grown, 64e6, rel_tol=0.4)
