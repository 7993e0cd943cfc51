"""Runs exported TorchScript files, which are programs: only those that the user trusts may get here."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import EXTRA_FILE, read_metadata
from utils.inference.loaded_runtime import LoadedRuntime
from utils.system.device import Amp, choose_device


def load_torchscript(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load a TorchScript file, which runs only on the type of device that it was traced on.

    Loading and running it runs the code in it, with all rights of the user.
    ValueError for a file that is damaged or was not written by `export.py`, and for a 16-bit number format.
    """
    if amp in ("bf16", "fp16"):
        raise ValueError(f"--amp {amp}: {path} computes in float32; for bf16 export with --format openvino")
    extra = {EXTRA_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # TorchScript is deprecated
            module = torch.jit.load(str(path), _extra_files=extra)
    except RuntimeError as error:
        raise ValueError(f"PyTorch cannot load {path}: {str(error).strip().splitlines()[-1]}") from None
    metadata = read_metadata(extra[EXTRA_FILE], path)
    traced_on = device if device.type == metadata.device else choose_device(metadata.device)

    def run(images: Tensor) -> Candidates:
        boxes, scores = module(images)
        return Candidates(boxes, scores)

    return LoadedRuntime(metadata, run, traced_on, f"TorchScript on {traced_on.type}, float32")
