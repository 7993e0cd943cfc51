"""A stopwatch for the stages of some work."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """Adds up the seconds of each stage.

    seconds  by stage, in the order of `stages` and then of their first use
    device   a GPU is synchronised after each stage, so that its time counts where it was spent
    """

    def __init__(self, *stages: str, device: torch.device | None = None) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)
        self.device = device

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the block to a stage."""
        start = time.perf_counter()
        try:
            yield
            if self.device is not None and self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def describe(self, count: int, unit: str) -> str:
        """Return the speed over `count` items called `unit` in one line: items/s, milliseconds by stage."""
        stages = ", ".join(f"{stage} {1000 * s / max(count, 1):.1f}" for stage, s in self.seconds.items())
        rate = count / max(sum(self.seconds.values()), 1e-9)
        return f"{rate:.1f} {unit}s/s; milliseconds per {unit}: {stages}"
