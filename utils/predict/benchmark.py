"""Benchmark of detection by stage, from the image file to the saved result."""

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from utils.system.stopwatch import Stopwatch

WARM_UP_BATCHES = 3  # not timed: they allocate memory and choose kernels
Work = Callable[[Sequence[int], Stopwatch, Path], None]


def time_stages(
    work: Work, number: int, batch_size: int, repeats: int, device: torch.device
) -> dict[str, np.ndarray]:
    """Return the milliseconds per image of each batch, by stage and in total ("all"), over `repeats` runs.

    work    function that processes the images with the given indices, times its stages, and may write into a
        temporary folder; the stages must run one after the other
    number  number of images, at least one
    """
    batches = [range(start, min(start + batch_size, number)) for start in range(0, number, batch_size)]
    with tempfile.TemporaryDirectory() as folder:
        for warm_up in range(WARM_UP_BATCHES):
            work(batches[warm_up % len(batches)], Stopwatch(device=device), Path(folder))
        taken = []
        for batch in [batch for _ in range(repeats) for batch in batches]:
            watch = Stopwatch(device=device)
            work(batch, watch, Path(folder))
            taken.append({stage: 1000 * s / len(batch) for stage, s in watch.seconds.items()})
    stages = {stage: np.array([milliseconds.get(stage, 0.0) for milliseconds in taken]) for stage in taken[0]}
    return stages | {"all": np.sum([*stages.values()], axis=0)}


def speed_table(taken: dict[str, np.ndarray]) -> str:
    """Return the times of `time_stages` as a table: median, share, 95th percentile and maximum by stage."""
    lines = [f"{'ms per image':14}{'median':>9}{'share':>8}{'p95':>9}{'max':>9}"]
    whole = float(np.median(taken["all"]))
    for stage, values in taken.items():
        median, tail, longest = np.median(values), np.percentile(values, 95), values.max()
        share = values.mean() / taken["all"].mean()
        lines.append(f"{stage:14}{median:9.2f}{share:8.1%}{tail:9.2f}{longest:9.2f}")
    return "\n".join([*lines, f"{1000 / whole:.1f} images/s, one stage after the other"])
