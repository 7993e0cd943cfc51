"""Gradient accumulation: a batch is split into parts that fit into memory.

The gradients of the parts add up to those of the whole batch, except where a layer or a loss depends on the
whole batch: BatchNorm uses the statistics of each part, and losses are normalised by the positive samples of
each part.
"""

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nets.common.detector import Detector
from nets.common.structures import Targets
from utils.system.device import Compiling, autocasting, compiled
from utils.system.distributed import Processes
from utils.system.memory import give_back_freed_memory
from utils.train.phases import Phase

# Error messages of PyTorch on a GPU and on a CPU; the last one is oneDNN's.
OUT_OF_MEMORY_MESSAGES = (
    "out of memory",
    "can't allocate memory",
    "not enough memory",
    "could not create a primitive",
)


class LossesOf(nn.Module):
    """A module that returns the losses of a detector, as DistributedDataParallel needs one."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """See `Detector.losses`."""
        return self.detector.losses(images, targets)


class GradientAccumulator:
    """Computes the gradients of a batch, in one part or several.

    parts  number of parts that a batch is split into; doubled when memory runs out
    """

    def __init__(
        self,
        detector: Detector,
        device: torch.device,
        autocast: torch.dtype | None,
        scaler: torch.amp.GradScaler,
        processes: Processes,
        parts: int,
        compiling: Compiling = "off",
    ) -> None:
        self.detector, self.device, self.scaler = detector, device, scaler
        self.autocasting = autocasting(device, autocast)
        self.processes, self.parts = processes, parts
        self.losses_of = self.compiled = compiled(LossesOf(detector), compiling)
        self.phase: Phase | None = None
        # A graph older than that of any loss: see `_free_failed`.
        self.oldest = torch.zeros(1, requires_grad=True).sum()

    def start_phase(self, phase: Phase) -> None:
        """Prepare for a phase: DistributedDataParallel must know which parameters are trained."""
        if self.processes.world_size == 1 or phase.trains_like(self.phase):
            return
        device_ids = [self.device] if self.device.type == "cuda" else None
        self.losses_of = DistributedDataParallel(self.compiled, device_ids=device_ids)
        self.phase = phase

    def forward_backward(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Run the forward and backward pass of a batch; returns its losses by component, on the device.

        When memory runs out, the batch is split into more parts. ValueError with the fix if not even one
        image fits.
        """
        while True:
            try:
                return self._forward_backward(images, targets)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Not within `except`: the exception keeps alive the tensors that filled the memory.
            self.detector.zero_grad()
            self._free_failed()
            self.parts = smaller_parts(self.parts, len(images), self.processes.world_size, reason)
            print(
                f"out of memory: from now on gradients are accumulated over {self.parts} parts of each batch"
            )

    def _free_failed(self) -> None:
        """Free the memory of a batch whose backward pass failed.

        PyTorch keeps the remaining work of a failed backward pass, with all its tensors, in a queue of the
        thread, newest first. A backward pass through an older graph empties that queue: without it, 2.0 of
        the 2.4 GB of a failed batch stayed allocated.
        """
        self.oldest.backward(retain_graph=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        else:
            give_back_freed_memory()

    def _forward_backward(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for part, part_targets in split_batch(images, targets, self.parts):
            share = len(part) / len(images)
            with self.autocasting:
                losses = self.losses_of(part, part_targets)
            total = torch.stack(list(losses.values())).sum()
            self.scaler.scale(total * share).backward()
            for name, loss in losses.items():
                mean = loss.detach() * share
                sums[name] = sums[name] + mean if name in sums else mean
        return sums


def split_batch(images: Tensor, targets: Targets, parts: int) -> list[tuple[Tensor, Targets]]:
    """Split a batch [B, ...] into up to `parts` parts of about the same size."""
    if parts == 1:
        return [(images, targets)]
    split = [value.tensor_split(min(parts, len(images))) for value in (images, *targets)]
    return [(part, Targets(*part_targets)) for part, *part_targets in zip(*split, strict=True)]


def smaller_parts(parts: int, batch_size: int, processes: int, reason: str) -> int:
    """Return twice as many parts, at most one per image; ValueError with the fix if that is no more.

    ValueError with several processes too: the others would not know.
    """
    if parts >= batch_size or processes > 1:
        more = ", or more --batch-parts" if processes > 1 else ""
        raise ValueError(
            f"out of memory with {-(-batch_size // parts)} images at a time: choose a smaller --image-size "
            f"or --model{more} ({reason.splitlines()[0][:200]})"
        )
    return min(2 * parts, batch_size)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Return whether the error says that the memory of the GPU or of the machine is full."""
    return any(message in str(error).lower() for message in OUT_OF_MEMORY_MESSAGES)
