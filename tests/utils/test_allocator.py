"""Memory that is freed stays with the program."""

import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils import allocator
from utils.allocator import give_back_freed_memory, keep_freed_memory

FAULTS = """
import resource, sys
import torch
from utils.allocator import give_back_freed_memory, keep_freed_memory

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
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: object())
    assert keep_freed_memory() is False
    assert give_back_freed_memory() is False
