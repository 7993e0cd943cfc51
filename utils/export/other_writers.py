"""Writes OpenVINO folders, converted from the ONNX graph, and TorchScript files.

TorchScript files load in C++ with libtorch, and in Python without our code. PyTorch has deprecated the
format, but it is the only one that libtorch loads on every platform: `torch.export` packages load only in
Python, and AOTInductor packages need a compiler to build, and run only on machines of the same kind.
"""

import io
import warnings
from pathlib import Path

import torch

from nets.common.detector import Detector
from utils.export.onnx_writer import InferenceNetwork, write_onnx
from utils.inference.exported_metadata import EXTRA_FILE, METADATA_KEY, ExportMetadata
from utils.inference.openvino_runtime import openvino_core
from utils.system.validation import require_packages
from utils.weights.file_kind import MODEL_FILE


def write_torchscript(detector: Detector, metadata: ExportMetadata, path: Path) -> None:
    """Trace the detector on its device and write a TorchScript file, which runs only on that device type.

    The traced module returns the candidates before NMS as a tuple of two tensors.
    """
    height, width = metadata.image_size
    device = next(detector.parameters()).device
    example = torch.zeros(1, 3, height, width, dtype=torch.uint8, device=device)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about deprecation, and about constants, which `verify.py` checks
        network = InferenceNetwork(detector).eval()
        traced = torch.jit.freeze(torch.jit.trace(network, example, check_trace=False))
        content = io.BytesIO()  # given a path, PyTorch ends the process with SIGABRT where the disk is full
        torch.jit.save(traced, content, _extra_files={EXTRA_FILE: metadata.to_json()})
    path.write_bytes(content.getbuffer())


def write_openvino(detector: Detector, metadata: ExportMetadata, folder: Path, half: bool = False) -> None:
    """Write an OpenVINO folder; with `half`, weights are stored as float16.

    ValueError if a package is missing or PyTorch's exporter fails.
    """
    require_packages("--format openvino", "openvino", "onnx", "onnxscript")
    import openvino

    folder.mkdir(parents=True)
    onnx_file = folder / "model.onnx"
    write_onnx(detector, metadata, onnx_file)
    model = openvino_core().read_model(onnx_file)
    model.set_rt_info(metadata.to_json(), [METADATA_KEY])
    openvino.save_model(model, folder / MODEL_FILE, compress_to_fp16=half)
    del model  # Windows cannot remove a file that is still open
    onnx_file.unlink()
