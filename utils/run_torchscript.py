"""An exported TorchScript file as a function from pictures to candidates."""

import warnings
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor

from nets.structures import Decoded
from utils.device import Amp, choose_device
from utils.export_facts import ExportFacts, facts_from_json
from utils.export_torchscript import EXTRA_FILE


def open_torchscript(path: Path, device: str, amp: Amp) -> tuple[ExportFacts, Callable[[Tensor], Decoded]]:
    """What the file says of itself, and the function that runs it on uint8 RGB [B, 3, H, W].

    ValueError for a file that is damaged or not of ours, and for a device or number format that it has not.
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
            f"{path} was not written by export.py: it lacks class names and sizes. Export the checkpoint that "
            "it was made from with export.py"
        )
    facts = facts_from_json(str(extra[EXTRA_FILE]), path)  # bytes are text by now
    if device != "auto" and choose_device(device).type != facts.device:
        raise ValueError(
            f"--device {device}: {path} was traced on and is tied to the device {facts.device}; use that, "
            f"or export it again with --device {device}"
        )
    there = choose_device(facts.device)

    def run(images: Tensor) -> Decoded:
        boxes, scores = module(images.to(there))
        return Decoded(boxes, scores)

    return facts, run
