"""Every test, and every script that a test starts, runs on one thread and draws to files."""

import os
import subprocess

import hypothesis
import pytest

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
hypothesis.settings.register_profile("no deadline", deadline=None)  # speed belongs into benchmarks
hypothesis.settings.load_profile("no deadline")


@pytest.fixture
def small_disk(tmp_path):
    """A folder on a disk of 16 MB, where disks can be mounted."""
    folder = tmp_path / "small"
    folder.mkdir()
    try:
        subprocess.run(
            ["mount", "-t", "tmpfs", "-o", "size=16m", "none", folder], check=True, capture_output=True
        )
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", folder], check=True)
