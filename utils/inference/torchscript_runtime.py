"""An exported TorchScript file as a function from images to candidates."""

import warnings
from pathlib import Path

import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import EXTRA_FILE, LoadedRuntime, facts_from_json
from utils.system.device import Amp, choose_device


def open_torchscript(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load a TorchScript file, which runs on the kind of device it was traced on.

    ValueError for a file that is damaged or not of ours, and for a number format that it has not.
    """
    if amp in ("bf16", "fp16"):
        raise ValueError(f"--amp {amp}: {path} computes in float32; for bf16 export with --format openvino")
    extra = {EXTRA_FILE: ""}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that TorchScript is deprecated
            module = torch.jit.load(str(path), _extra_files=extra)
    except RuntimeError as error:
        raise ValueError(f"PyTorch cannot load {path}: {str(error).strip().splitlines()[-1]}") from None
    if not extra[EXTRA_FILE]:
        raise ValueError(
            f"{path} was not written by export.py: it lacks class names and sizes. Export the checkpoint "
            "that it was made from with export.py"
        )
    facts = facts_from_json(extra[EXTRA_FILE], path)
    there = device if device.type == facts.device else choose_device(facts.device)

    def run(images: Tensor) -> Candidates:
        boxes, scores = module(images)
        return Candidates(boxes, scores)

    return LoadedRuntime(facts, run, there, f"TorchScript on {there.type}, float32")
