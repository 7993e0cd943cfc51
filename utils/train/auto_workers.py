"""How many worker processes should load images, from the time that loading and training take.

The number changes nothing but the speed: batches are the same with any.
"""

import time
from collections.abc import Sequence

import torch

from nets.common.detector import Detector
from utils.loader.batch import Batch, batch_to_device
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.system.device import autocasting

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


def measured_workers(
    dataset: TrainDataset,
    batches: Sequence[Sequence[SampleKey]],
    detector: Detector,
    autocast: torch.dtype | None,
    cores: int,
) -> int:
    """The number of worker processes by the time that loading and training take on this machine."""
    device = detector.device
    load, batch = measure_loading(dataset, batches)
    step = measure_step(detector, batch, device, autocast)
    workers = choose_workers(load, step, cores, device.type == "cuda")
    print(f"workers: {workers} (a batch takes {load:.3f} s to load, {step:.3f} s to train on)")
    return workers


def measure_loading(dataset: TrainDataset, batches: Sequence[Sequence[SampleKey]]) -> tuple[float, Batch]:
    """Seconds that this process takes for the fastest of some batches, and the last of them."""
    assert batches
    times = []
    for keys in batches:
        start = time.perf_counter()
        batch = dataset.batch(keys)
        times.append(time.perf_counter() - start)
    return min(times), batch


def measure_step(
    detector: Detector, batch: Batch, device: torch.device, dtype: torch.dtype | None, repeats: int = 3
) -> float:
    """Seconds for the fastest of some forward and backward passes, which leave no trace.

    BatchNorm stands still for that, no optimizer steps, and random numbers go on from where they were.
    """
    detector.eval()
    times = []
    on_gpu = device.type == "cuda"
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        for _ in range(repeats):
            start = time.perf_counter()
            _forward_and_backward(detector, batch, device, dtype)
            if on_gpu:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - start)
    detector.zero_grad()
    return min(times)


def _forward_and_backward(
    detector: Detector, batch: Batch, device: torch.device, dtype: torch.dtype | None
) -> None:
    images, targets = batch_to_device(batch, device)
    with autocasting(device, dtype):
        losses = detector.losses(images, targets)
    torch.stack(list(losses.values())).sum().backward()
