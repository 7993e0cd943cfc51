"""The number of worker processes, chosen by the measured times of loading and training.

It affects the speed only: batches are the same with any number.
"""

import time
from collections.abc import Sequence

import torch

from nets.common.detector import Detector
from utils.loader.batch import Batch, batch_to_device
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.system.device import autocasting

MAX_WORKERS = 16
MARGIN = 1.25  # loading times vary: with just enough workers a GPU would wait now and then


def choose_workers(load: float, step: float, cores: int, on_gpu: bool) -> int:
    """Return the smallest number of workers that gives the shortest time per batch.

    load   seconds in which one process loads a batch
    step   seconds in which the device trains on it

    Without workers the two times add up. With workers the longer one counts, but when training on the CPU
    each worker takes one of its cores.
    """

    def seconds(workers: int) -> float:
        if workers == 0:
            return load + step
        return max(MARGIN * load / workers, step if on_gpu else step * cores / (cores - workers))

    return min(range(min(MAX_WORKERS, cores - 1) + 1), key=seconds)


def measured_workers(
    dataset: TrainDataset,
    batches: Sequence[Sequence[SampleKey]],
    detector: Detector,
    autocast: torch.dtype | None,
    cores: int,
) -> int:
    """Choose the number of workers by measuring loading and training on this machine; prints it."""
    device = detector.device
    load, batch = measure_loading(dataset, batches)
    step = measure_step(detector, batch, device, autocast)
    workers = choose_workers(load, step, cores, device.type == "cuda")
    print(f"workers: {workers} (a batch takes {load:.3f} s to load, {step:.3f} s to train on)")
    return workers


def measure_loading(dataset: TrainDataset, batches: Sequence[Sequence[SampleKey]]) -> tuple[float, Batch]:
    """Return the seconds in which this process loads the fastest of some batches, and the last batch."""
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
    """Return the seconds of the fastest of some forward and backward passes.

    Nothing changes: BatchNorm is in evaluation mode, the optimizer makes no step, and the states of the
    random number generators are restored.
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
