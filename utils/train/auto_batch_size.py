"""The batch size that suits a machine, by measurement: `--batch-size auto`."""

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

LARGEST = 256
STEPS = 20  # that an epoch should have at least: each of them learns
ENOUGH = 0.95  # of the highest speed; beyond, a larger batch only means fewer steps
SHARE = 0.8  # of the free memory that a step may take
KEPT = 3.0  # times the outputs of all layers: those for the gradient, and gradients and scratch beside
OBJECTS = 16  # on each of the images that it is measured with


class Speed(NamedTuple):
    """How many images a second a process trains on with a batch size."""

    batch_size: int
    images_per_second: float


def choose_batch_size(measure: Callable[[int], float | None], most: int) -> list[Speed]:
    """What was measured, up to `most`, the chosen size last.

    Sizes double as long as that is faster. `measure` gives the seconds of a step, or None where the memory
    does not hold it. ValueError where it does not hold a single image.
    """
    speeds: list[Speed] = []
    size = 1
    while size <= most:
        seconds = measure(size)
        if seconds is None:
            break
        speeds.append(Speed(size, size / seconds))
        if len(speeds) > 2 and speeds[-1].images_per_second < max(s.images_per_second for s in speeds[:-2]):
            break  # two doublings were of no use
        size *= 2
    if not speeds:
        raise ValueError("--batch-size auto: the memory holds no single image; choose a smaller --image-size")
    best = max(speed.images_per_second for speed in speeds)
    chosen = next(speed for speed in speeds if speed.images_per_second >= ENOUGH * best)
    return [*speeds, chosen]


def with_measured_batch_sizes(
    settings: PhaseSettings,
    detector: Detector,
    image_size: Size,
    autocast: torch.dtype | None,
    images: int,
    processes: Processes,
) -> PhaseSettings:
    """The settings with measured numbers for batch sizes that are "auto"."""
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
    """The size of a whole batch for a training set of so many `images`; all processes get the same.

    The detector is on its device, and is as it was when this returns.
    """
    device = next(detector.parameters()).device
    free = free_memory(device) // (1 if device.type == "cuda" else processes.local_world_size)
    needed = KEPT * sum(summarise(detector, image_size).activation_bytes.values())

    def measure(size: int) -> float | None:
        if size > 1 and size * needed > SHARE * free:
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

    most = min(LARGEST, max(1, images // STEPS // processes.world_size))
    *speeds, chosen = choose_batch_size(measure, most)
    figures = ", ".join(f"{speed.batch_size}: {speed.images_per_second:.1f}" for speed in speeds)
    size = processes.broadcast(chosen.batch_size)
    print(f"batch size: {size * processes.world_size} (images/s by size in a process: {figures})")
    return size * processes.world_size


def free_memory(device: torch.device) -> int:
    """Bytes that can be used on a device."""
    return torch.cuda.mem_get_info(device)[0] if device.type == "cuda" else available_memory()


def noise(size: int, image_size: Size) -> Batch:
    """A batch of noise, with small and large objects."""
    generator = torch.Generator().manual_seed(0)
    height, width = image_size
    images = torch.randint(0, 256, (size, height, width, 3), dtype=torch.uint8, generator=generator)
    places = torch.rand((size, OBJECTS, 2, 2), generator=generator) * torch.tensor([width, height])
    boxes = torch.cat([places.amin(dim=2), places.amax(dim=2) + 1], dim=-1)
    labels, valid = (
        torch.zeros(boxes.shape[:2], dtype=torch.int64),
        torch.ones(boxes.shape[:2], dtype=torch.bool),
    )
    return Batch(images.permute(0, 3, 1, 2), Targets(boxes, labels, valid), torch.arange(size), [], [])
