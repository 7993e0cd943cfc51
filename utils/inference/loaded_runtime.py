"""An exported file loaded by its runtime: the result of each `load_...` function in this folder."""

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

    run          function: uint8 RGB [B, 3, H, W] on `device` -> boxes and scores before NMS, on `device`
    device       device of the images; a runtime that uses a GPU may still take images from the CPU
    description  runtime, device and number format, for the log
    """

    metadata: ExportMetadata
    run: Callable[[Tensor], Candidates]
    device: torch.device
    description: str
