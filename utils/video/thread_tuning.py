"""How many threads the network gets while other work goes on beside it: all, or one less.

Every layer waits for the slowest of its threads, and that is the one whose core an encoder uses too. On two
cores, with a video read, drawn and encoded beside, a frame of yolox_nano takes 15 ms with one thread and 29
with two; one of yolox_s 76 and 59. So it is tried.
"""

import statistics
import time
from collections.abc import Sequence

import numpy as np
import torch

from utils.data.detections import Detections
from utils.predict.predictor import Predictor
from utils.system.stopwatch import Stopwatch

TRIALS = 10  # of each number; the first few are slower, so that the median counts


class ThreadChoice:
    """A predictor on the CPU that tries both on its first calls, in turn, and goes on with the faster.

    PyTorch has a number of threads for each thread that asks: all calls are to come from one.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.class_names = predictor, predictor.class_names
        most = torch.get_num_threads()
        self.seconds: dict[int, list[float]] = {number: [] for number in (most - 1, most) if number}

    def detect(self, images: Sequence[np.ndarray], watch: Stopwatch | None = None) -> list[Detections]:
        """As `Predictor.detect`."""
        if all(len(seconds) == TRIALS for seconds in self.seconds.values()):
            return self.predictor.detect(images, watch)
        number = min(self.seconds, key=lambda number: len(self.seconds[number]))
        torch.set_num_threads(number)
        start = time.perf_counter()
        found = self.predictor.detect(images, watch)
        self.seconds[number].append((time.perf_counter() - start) / len(images))
        torch.set_num_threads(self.fastest())
        return found

    def fastest(self) -> int:
        """The number of threads that was faster so far."""
        tried = {number: statistics.median(seconds) for number, seconds in self.seconds.items() if seconds}
        return min(tried, key=lambda number: tried[number])
