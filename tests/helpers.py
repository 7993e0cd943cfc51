"""What several tests need."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SHARED = ROOT.parent / "shared"

# Columns of metrics.csv that say how fast and how large a run was, and differ from one to the next.
MACHINE_COLUMNS = {
    *("images_per_second", "seconds", "waiting"),
    *("memory", "memory_left", "gpu_memory", "gpu_memory_limit"),
}

needs_shared = pytest.mark.skipif(
    not SHARED.is_dir(), reason="needs the shared data and weights beside the project"
)
