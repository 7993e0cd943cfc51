"""Gradients of a batch: in parts that the memory holds, and of all processes.

Gradients of parts add up to those of the whole, but for what looks at a whole batch: BatchNorm's statistics
are those of the parts, and losses are divided by what a part has counted.
"""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from nets.common.detector import Detector
from nets.common.structures import Targets
from utils.system.device import Compiling, autocasting, compiled
from utils.system.distributed import Processes
from utils.system.memory import give_back_freed_memory
from utils.train.phases import Phase

# Of a GPU, and of a CPU; oneDNN says the last of them.
SIGNS = ("out of memory", "can't allocate memory", "not enough memory", "could not create a primitive")


class LossesOf(nn.Module):
    """The losses of a detector as a module's outputs: what DistributedDataParallel takes."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """See `Detector.losses`."""
        return self.detector.losses(images, targets)


class Gradients:
    """Adds the gradients of batches to a detector's parameters.

    parts  in how many parts a batch is worked through; more, where the memory turns out not to hold them
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
        self.detector, self.device, self.autocast, self.scaler = detector, device, autocast, scaler
        self.processes, self.parts = processes, parts
        self.losses_of = self.compiled = compiled(LossesOf(detector), compiling)
        self.phase: Phase | None = None
        # Older than every graph of losses: see `_free_failed`.
        self.oldest = torch.zeros(1, requires_grad=True).sum()

    def start_phase(self, phase: Phase) -> None:
        """Average over the processes. Which parameters have gradients differs between phases."""
        if self.processes.size == 1 or self.phase is phase:
            return
        place_here = [self.device] if self.device.type == "cuda" else None
        self.losses_of = DistributedDataParallel(self.compiled, device_ids=place_here)
        self.phase = phase

    def add(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        """Add those of a batch; returns its losses by component, on the device.

        ValueError with the fix where not even one image fits into the memory.
        """
        while True:
            try:
                return self._add_parts(images, targets)
            except RuntimeError as error:
                if not is_out_of_memory(error):
                    raise
                reason = str(error)
            # Not within `except`: the error holds on to the tensors that filled the memory.
            self.detector.zero_grad()
            self._free_failed()
            self.parts = smaller_parts(self.parts, len(images), self.processes.size, reason)
            print(f"out of memory: from here on a batch is worked through in {self.parts} parts")

    def _free_failed(self) -> None:
        """Free what a failed batch took.

        Where the backward pass fails, PyTorch keeps what was still to do in a queue of the thread, the newest
        first, and all tensors with it. Going back through something older goes through the queue and empties
        it: of a batch that failed with 2.4 GB, 2.0 GB stayed taken without.
        """
        self.oldest.backward(retain_graph=True)
        if self.device.type == "cuda":
            torch.cuda.empty_cache()
        else:
            give_back_freed_memory()

    def _add_parts(self, images: Tensor, targets: Targets) -> dict[str, Tensor]:
        sums: dict[str, Tensor] = {}
        for part, wanted in in_parts(images, targets, self.parts):
            with autocasting(self.device, self.autocast):
                losses = self.losses_of(part, wanted)
            share = len(part) / len(images)
            self.scaler.scale(torch.stack(list(losses.values())).sum() * share).backward()
            sums = add(sums, {name: loss.detach() * share for name, loss in losses.items()})
        return sums


def in_parts(images: Tensor, targets: Targets, parts: int) -> Iterator[tuple[Tensor, Targets]]:
    """The batch [B, ...] in up to `parts` parts of about the same size."""
    if parts == 1:
        yield images, targets
        return
    columns = zip(*(value.tensor_split(min(parts, len(images))) for value in (images, *targets)), strict=True)
    for part, *wanted in columns:
        yield part, Targets(*wanted)


def smaller_parts(parts: int, batch_size: int, processes: int, reason: str) -> int:
    """Twice as many parts, down to single images. ValueError with the fix where that is no help.

    Nor where there are other processes, which would not know.
    """
    if parts >= batch_size or processes > 1:
        more = ", or more --batch-parts" if processes > 1 else ""
        raise ValueError(
            f"out of memory with {-(-batch_size // parts)} images at a time: choose a smaller --image-size "
            f"or --model{more} ({reason.splitlines()[0][:200]})"
        )
    return min(2 * parts, batch_size)


def is_out_of_memory(error: RuntimeError) -> bool:
    """Whether PyTorch says that the memory of the GPU or of the machine is full."""
    return any(sign in str(error).lower() for sign in SIGNS)


def add(sums: dict[str, Tensor], losses: dict[str, Tensor]) -> dict[str, Tensor]:
    """Sums that stay on the device, so that adding does not wait for it."""
    return {name: sums[name] + loss if sums else loss for name, loss in losses.items()}
