"""The number of worker processes, chosen by the measured times of loading and training.

It affects the speed only: batches are the same with any number.
"""

import time
from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import torch

from nets.common.detector import Detector
from utils.loader.batch import Batch, batch_to_device
from utils.loader.train_dataset import SampleKey, TrainDataset
from utils.system.device import autocasting, usable_cores
from utils.system.settings import with_values
from utils.train.trainer import Trainer

MAX_WORKERS = 16
MARGIN = 1.25  # loading times vary: with just enough workers a GPU would wait now and then


class BatchTimes(NamedTuple):
    """The seconds in which one process loads a batch, and in which the device trains on it."""

    load: float
    step: float

    def with_workers(self, workers: int, cores: int, on_gpu: bool) -> float:
        """Return the seconds per batch with so many workers.

        Without workers the two times add up. With workers the longer one counts, but when training on the
        CPU each worker takes one of its cores.
        """
        if workers == 0:
            return self.load + self.step
        step = self.step if on_gpu else self.step * cores / max(1, cores - workers)
        return max(MARGIN * self.load / workers, step)


def choose_workers(times: BatchTimes, cores: int, on_gpu: bool) -> int:
    """Return the smallest number of workers that gives the shortest time per batch."""
    numbers = range(min(MAX_WORKERS, cores - 1) + 1)
    return min(numbers, key=lambda workers: times.with_workers(workers, cores, on_gpu))


def measure_workers(trainer: Trainer) -> None:
    """Set the number of workers by measuring loading and training on this machine; prints it."""
    times = measure_times(trainer)
    workers = choose_workers(times, cores_of(trainer), trainer.device.type == "cuda")
    print(f"workers: {workers} (a batch takes {times.load:.3f} s to load, {times.step:.3f} s to train on)")
    trainer.settings = with_values(trainer.settings, {"workers": workers})


def cores_of(trainer: Trainer) -> int:
    """Return the number of processor cores for each process."""
    return max(1, usable_cores() // trainer.processes.local_world_size)


def measure_times(trainer: Trainer) -> BatchTimes:
    """Measure the times of the batches of the first phase."""
    phase = trainer.phases[0]
    batches = list(islice(trainer.open_loader(phase)[1], 4))
    load, batch = measure_loading(trainer.dataset(phase), batches)
    return BatchTimes(load, measure_step(trainer.detector, batch, trainer.device, trainer.autocast))


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
