"""What memory is said to be free: by the machine or, if that is less, by the container."""

from types import SimpleNamespace

import pytest

from utils import memory
from utils.memory import available_memory, available_shared_memory


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
    assert available_shared_memory() == available_memory()
