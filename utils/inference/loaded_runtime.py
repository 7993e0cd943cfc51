"""An exported file loaded by its runtime: what each of the `load_...` functions beside it returns."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import ExportMetadata

HOST = torch.device("cpu")


@dataclass(frozen=True)
class LoadedRuntime:
    """A loaded file as a function from images to candidates, and its metadata.

    run          uint8 RGB [B, 3, H, W] on `device` -> boxes and scores before NMS, on the same device
    device       where images are handed over; a runtime that uses a GPU may still take them from the CPU
    description  the runtime, what it runs on and its number format, for the log
    """

    metadata: ExportMetadata
    run: Callable[[Tensor], Candidates]
    device: torch.device
    description: str
