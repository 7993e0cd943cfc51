"""Writes a detector in the other formats: as an OpenVINO folder, made of the ONNX graph, and as TorchScript.

TorchScript is what C++ loads with libtorch and Python without our code. PyTorch calls it deprecated, and
still it is the one format that libtorch loads on every platform: the package of `torch.export` is loaded by
Python alone, and AOTInductor's needs a compiler here and runs on machines like this one only.
"""

import warnings
from pathlib import Path

import torch

from nets.common.detector import Detector
from utils.export.onnx_writer import Network, write_onnx
from utils.inference.exported_metadata import EXTRA_FILE, NAME, ExportMetadata
from utils.inference.openvino_runtime import openvino_core
from utils.system.validation import require_packages
from utils.weights.file_kind import MODEL_FILE


def write_torchscript(detector: Detector, facts: ExportMetadata, path: Path) -> None:
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


def write_openvino(detector: Detector, facts: ExportMetadata, folder: Path, half: bool = False) -> None:
    """Write the folder; with `half` weights are kept as float16 there, and are used as the device likes.

    ValueError where `openvino` is not installed, and as `write_onnx`.
    """
    require_packages("--format openvino", "openvino", "onnx", "onnxscript")
    import openvino

    folder.mkdir(parents=True)
    onnx_file = folder / "model.onnx"
    write_onnx(detector, facts, onnx_file)
    model = openvino_core().read_model(onnx_file)
    model.set_rt_info(facts.to_json(), [NAME])
    openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=half)
    del model  # Windows removes no file that is still open
    onnx_file.unlink()
