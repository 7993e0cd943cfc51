"""The batch size measured to suit a machine: `--batch-size auto`."""

from collections.abc import Callable
from dataclasses import replace
from typing import NamedTuple

import torch

from nets.common.detector import Detector
from nets.common.structures import Targets
from nets.inspect.summary import summarise
from utils.data.types import Size
from utils.loader.batch import Batch
from utils.system.distributed import Processes
from utils.system.memory import available_memory
from utils.train.auto_workers import measure_step
from utils.train.gradient_accumulation import is_out_of_memory
from utils.train.settings import PhaseSettings

MAX_BATCH_SIZE = 256
MIN_STEPS_PER_EPOCH = 20
NEAR_BEST_SPEED = 0.95  # share of the highest speed; larger batches then only mean fewer steps
MEMORY_SHARE = 0.8  # of the free memory: what a step may take
ACTIVATION_FACTOR = 3.0  # memory of a step over that of all activations: gradients and workspace add to them
OBJECTS_PER_IMAGE = 16  # in the batches that are measured


class Speed(NamedTuple):
    """The training speed of one process at a batch size."""

    batch_size: int
    images_per_second: float


def choose_batch_size(measure: Callable[[int], float | None], max_size: int) -> list[Speed]:
    """Measure batch sizes up to `max_size`; returns the measured speeds, then the chosen one.

    The size is doubled for as long as that is faster. `measure` returns the seconds of a step, or None if it
    runs out of memory. ValueError if not even a single image fits.
    """
    speeds: list[Speed] = []
    size = 1
    while size <= max_size:
        seconds = measure(size)
        if seconds is None:
            break
        speeds.append(Speed(size, size / seconds))
        if len(speeds) > 2 and speeds[-1].images_per_second < max(s.images_per_second for s in speeds[:-2]):
            break  # two doublings did not help
        size *= 2
    if not speeds:
        raise ValueError(
            "--batch-size auto: not even a single image fits into memory; choose a smaller --image-size"
        )
    best = max(speed.images_per_second for speed in speeds)
    chosen = next(speed for speed in speeds if speed.images_per_second >= NEAR_BEST_SPEED * best)
    return [*speeds, chosen]


def with_measured_batch_sizes(
    settings: PhaseSettings,
    detector: Detector,
    image_size: Size,
    autocast: torch.dtype | None,
    images: int,
    processes: Processes,
) -> PhaseSettings:
    """Return the settings with the batch sizes that are "auto" measured."""
    batch, frozen = settings.batch_size, settings.freeze_batch_size
    if "auto" in (batch, frozen):
        measured = measured_batch_size(detector, image_size, autocast, images, processes)
        batch = measured if batch == "auto" else batch
        frozen = 2 * measured if frozen == "auto" else frozen
    return replace(settings, batch_size=batch, freeze_batch_size=frozen)


def measured_batch_size(
    detector: Detector,
    image_size: Size,
    autocast: torch.dtype | None,
    images: int,
    processes: Processes,
) -> int:
    """Measure the best batch size, over all processes, for `images` training images.

    All processes return the same. The detector must be on its device; it is left unchanged.
    """
    device = next(detector.parameters()).device
    free = free_memory(device) // (1 if device.type == "cuda" else processes.local_world_size)
    needed = ACTIVATION_FACTOR * sum(summarise(detector, image_size).activation_bytes.values())

    def measure(size: int) -> float | None:
        if size > 1 and size * needed > MEMORY_SHARE * free:
            return None
        try:
            return measure_step(detector, noise(size, image_size), device, autocast)
        except RuntimeError as error:
            if not is_out_of_memory(error):
                raise
        detector.zero_grad()
        if device.type == "cuda":
            torch.cuda.empty_cache()
        return None

    max_size = min(MAX_BATCH_SIZE, max(1, images // MIN_STEPS_PER_EPOCH // processes.world_size))
    *speeds, chosen = choose_batch_size(measure, max_size)
    measured = ", ".join(f"{speed.batch_size}: {speed.images_per_second:.1f}" for speed in speeds)
    size = processes.broadcast(chosen.batch_size)
    print(f"batch size: {size * processes.world_size} (images/s per process by batch size: {measured})")
    return size * processes.world_size


def free_memory(device: torch.device) -> int:
    """Return the free memory of a device in bytes."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()


def noise(size: int, image_size: Size) -> Batch:
    """Return a batch of random pixels with small and large boxes."""
    generator = torch.Generator().manual_seed(0)
    height, width = image_size
    images = torch.randint(0, 256, (size, height, width, 3), dtype=torch.uint8, generator=generator)
    corners = torch.rand((size, OBJECTS_PER_IMAGE, 2, 2), generator=generator) * torch.tensor([width, height])
    boxes = torch.cat([corners.amin(dim=2), corners.amax(dim=2) + 1], dim=-1)
    labels = torch.zeros(boxes.shape[:2], dtype=torch.int64)
    valid = torch.ones(boxes.shape[:2], dtype=torch.bool)
    return Batch(images.permute(0, 3, 1, 2), Targets(boxes, labels, valid), torch.arange(size), [], [])
