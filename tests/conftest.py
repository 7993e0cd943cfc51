"""Every test, and every script that a test starts, runs on one thread and draws to files."""

import os

os.environ["OMP_NUM_THREADS"] = "1"
os.environ["MPLBACKEND"] = "Agg"
