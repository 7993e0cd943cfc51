"""Chooses the number of threads of the network while other stages run too: one per core, or one less.

Every layer waits for its slowest thread, which shares a core with the encoder. On two cores, while a video is
read, drawn and encoded, yolox_nano takes 15 ms per frame with one thread and 29 ms with two, but yolox_s
76 ms with one and 59 ms with two. So both numbers are tried.
"""

import statistics
import time
from collections.abc import Sequence

import torch

from utils.data.detections import Detections
from utils.data.types import Image
from utils.predict.predictor import Predictor
from utils.system.stopwatch import Stopwatch

TRIALS = 10  # per number of threads; the first few are slower, so medians are compared


class ThreadTuned:
    """A predictor on the CPU that tries both numbers of threads in the first calls, and keeps the faster.

    PyTorch has a thread count per calling thread: all calls must come from the same thread.
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
