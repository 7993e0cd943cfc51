"""A stopwatch that times the stages of a task."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

import torch


class Stopwatch:
    """A stopwatch with a running total of seconds for each stage.

    seconds  total per stage; `stages` first, then further stages in order of first use
    device   device; a GPU is synchronised after each stage, so that GPU work counts in the right stage
    """

    def __init__(self, *stages: str, device: torch.device | None = None) -> None:
        self.seconds = dict.fromkeys(stages, 0.0)
        self.device = device

    @contextmanager
    def timed(self, stage: str) -> Iterator[None]:
        """Add the time of the `with` block to a stage."""
        start = time.perf_counter()
        try:
            yield
            if self.device is not None and self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        finally:
            self.seconds[stage] = self.seconds.get(stage, 0.0) + time.perf_counter() - start

    def describe(self, count: int, unit: str) -> str:
        """Return one line with the speed for `count` items of `unit`: items/s, and milliseconds per stage."""
        stages = ", ".join(f"{stage} {1000 * s / max(count, 1):.1f}" for stage, s in self.seconds.items())
        rate = count / max(sum(self.seconds.values()), 1e-9)
        return f"{rate:.1f} {unit}s/s; milliseconds per {unit}: {stages}"
