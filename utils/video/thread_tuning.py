"""Choosing the number of threads of the network while other stages run beside it: all, or one less.

Every layer waits for the slowest of its threads, which shares its core with the encoder. On two cores, while
a video is read, drawn and encoded, a frame of yolox_nano takes 15 ms with one thread and 29 ms with two; one
of yolox_s 76 and 59 ms. So both are tried.
"""

import statistics
import time
from collections.abc import Sequence

import torch

from utils.data.detections import Detections
from utils.data.types import Image
from utils.predict.predictor import Predictor
from utils.system.stopwatch import Stopwatch

TRIALS = 10  # of each number; the first few are slower, so the median is compared


class ThreadTuned:
    """A predictor on the CPU that alternates both numbers on its first calls, and keeps the faster one.

    PyTorch has a thread count for each calling thread: all calls must come from the same one.
    """

    def __init__(self, predictor: Predictor) -> None:
        self.predictor, self.class_names = predictor, predictor.class_names
        cores = torch.get_num_threads()
        self.seconds: dict[int, list[float]] = {number: [] for number in (cores - 1, cores) if number}

    def detect(self, images: Sequence[Image], watch: Stopwatch | None = None) -> list[Detections]:
        """See `Predictor.detect`."""
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
        """Return the number of threads that has been faster so far."""
        tried = {number: statistics.median(seconds) for number, seconds in self.seconds.items() if seconds}
        return min(tried, key=lambda number: tried[number])
