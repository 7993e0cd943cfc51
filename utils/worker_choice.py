"""How many worker processes should load pictures, from the time that loading and training take.

The number changes nothing but the speed: batches are the same with any.
"""

import time
from collections.abc import Sequence

import torch

from nets.detector import Detector
from utils.batch import Batch
from utils.inference import autocasting, to_device
from utils.training_dataset import DetectionDataset, SampleKey

MOST = 16
MARGIN = 1.25  # batches differ in how long they take: workers that are just enough would keep a GPU waiting


def choose_workers(load: float, step: float, cores: int, on_gpu: bool) -> int:
    """The number with which a batch takes least time; the smallest of those that are equal.

    load   seconds for which one process prepares a batch
    step   seconds for which the device trains on it

    Without workers the two times add up. With them the slower of both counts; but where the CPU trains, each
    worker takes a core from it.
    """

    def seconds(workers: int) -> float:
        if workers == 0:
            return load + step
        return max(MARGIN * load / workers, step if on_gpu else step * cores / (cores - workers))

    return min(range(min(MOST, cores - 1) + 1), key=seconds)


def measure_loading(dataset: DetectionDataset, batches: Sequence[Sequence[SampleKey]]) -> tuple[float, Batch]:
    """Seconds that this process takes for the fastest of some batches, and the last of them."""
    assert batches
    times = []
    for keys in batches:
        start = time.perf_counter()
        batch = dataset.__getitems__(keys)
        times.append(time.perf_counter() - start)
    return min(times), batch


def measure_step(
    detector: Detector, batch: Batch, device: torch.device, dtype: torch.dtype | None, repeats: int = 3
) -> float:
    """Seconds for the fastest of some forward and backward passes, which leave the detector as it was.

    Its BatchNorm stands still for that, and no optimizer steps.
    """
    detector.eval()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        images, targets = to_device(batch, device)
        with autocasting(device, dtype):
            losses = detector.losses(images, targets)
        torch.stack(list(losses.values())).sum().backward()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(time.perf_counter() - start)
    detector.zero_grad()
    return min(times)
