"""The lock of a folder, between processes."""

import os
import signal
import subprocess
import sys

import pytest

from tests.helpers import ROOT
from utils.system.lock import LOCK, folder_lock, is_locked

# A program that holds the lock of a folder.
HOLD = """
import os, sys, time
from pathlib import Path
from utils.system.lock import folder_lock
with folder_lock(Path(sys.argv[1])):
    child = os.fork() if "fork" in sys.argv else 1
    if child:
        print(child, flush=True)
    time.sleep(60)
"""


def start_holder(folder, *options):
    """Start a process that holds the lock; returns it, and the id of a child that it forked."""
    line = [sys.executable, "-c", HOLD, str(folder), *options]
    process = subprocess.Popen(line, stdout=subprocess.PIPE, text=True, cwd=ROOT)
    return process, int(process.stdout.readline())


def test_one_process_holds_it(tmp_path):
    assert not is_locked(tmp_path)
    holder, _ = start_holder(tmp_path)
    assert is_locked(tmp_path)
    with pytest.raises(ValueError, match=r"another training is running in .*: wait"), folder_lock(tmp_path):
        pass
    holder.kill()
    holder.wait()
    assert not is_locked(tmp_path)
    with folder_lock(tmp_path):
        assert [path.name for path in tmp_path.iterdir()] == [LOCK]


def test_a_link_is_not_followed(tmp_path):
    """A run folder of others can hold one to anywhere."""
    run, other = tmp_path / "run", tmp_path / "other"
    run.mkdir()
    (run / LOCK).symlink_to(other)
    with folder_lock(run):
        assert not other.exists() and not (run / LOCK).is_symlink()


def test_a_forked_child_does_not_hold_it(tmp_path):
    """It lives on for seconds after its parent was killed, as processes that load images do."""
    holder, child = start_holder(tmp_path, "fork")
    holder.kill()
    holder.wait()
    try:
        assert not is_locked(tmp_path)
    finally:
        os.kill(child, signal.SIGKILL)
