"""An exported file that one of the runtimes has loaded."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from nets.structures import Decoded
from utils.export_facts import ExportFacts

HOST = torch.device("cpu")


@dataclass(frozen=True)
class Opened:
    """What the file says of itself, and how it runs.

    run      uint8 RGB [B, 3, H, W] on `device` -> boxes and scores before NMS, there too
    device   where pictures are handed over; a runtime may have a GPU and still take them from the host
    runtime  what runs it, where, and in which number format, for the log
    """

    facts: ExportFacts
    run: Callable[[Tensor], Decoded]
    device: torch.device
    runtime: str
