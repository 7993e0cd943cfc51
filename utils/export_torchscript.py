"""A detector as TorchScript, which C++ loads with libtorch and Python without our code.

PyTorch calls it deprecated, and still it is the one format that libtorch loads on every platform: the package
of `torch.export` is loaded by Python alone, and AOTInductor's needs a compiler here and runs on machines like
this one only.
"""

import warnings
from pathlib import Path

import torch

from nets.detector import Detector
from utils.export_facts import NAME, ExportFacts
from utils.export_network import Network

EXTRA_FILE = f"{NAME}.json"


def write_torchscript(detector: Detector, facts: ExportFacts, path: Path) -> None:
    """Trace the detector on its device, which it is tied to from then on, and write it.

    Returns the candidates before NMS, a tuple of two tensors; NMS is not part of it.
    """
    height, width = facts.image_size
    device = next(detector.parameters()).device
    example = torch.zeros(1, 3, height, width, dtype=torch.uint8, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that it is deprecated, and of constants, which the check looks at
        traced = torch.jit.freeze(torch.jit.trace(Network(detector).eval(), example, check_trace=False))
        torch.jit.save(traced, str(path), _extra_files={EXTRA_FILE: facts.to_json()})
