"""Runs exported ONNX files with ONNX Runtime."""

from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import CANDIDATE_OUTPUTS, METADATA_KEY, read_metadata
from utils.inference.loaded_runtime import HOST, LoadedRuntime
from utils.system.device import Amp
from utils.system.files import read_failure
from utils.system.validation import require_packages

if TYPE_CHECKING:
    from onnxruntime import InferenceSession

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
Provider = str | tuple[str, dict[str, int]]  # a name, or a name and its options
ERRORS_ONLY = 3  # log level; warnings are about the graph, which users cannot change


def load_onnx(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load an ONNX file.

    Only the candidates are computed, and our own NMS follows, so that results equal the checkpoint's.
    ValueError for a file that is damaged or was not written by `export.py`, and for a 16-bit number format.
    """
    require_packages(f"running {path.name}", "onnxruntime")
    import onnxruntime

    if amp in ("bf16", "fp16"):
        raise ValueError(
            f"--amp {amp}: ONNX Runtime computes in float32; for bf16 export with --format openvino"
        )
    session = create_session(path, choose_providers(device, onnxruntime.get_available_providers()))
    try:
        outputs = [output.name for output in session.get_outputs()]
        input_name = session.get_inputs()[0].name
        text = session.get_modelmeta().custom_metadata_map.get(METADATA_KEY)
    except (UnicodeDecodeError, IndexError) as error:
        raise ValueError(f"{path} is damaged: {read_failure(error)}; export it again") from None
    metadata = read_metadata(text, path, outputs)
    run_options = onnxruntime.RunOptions()
    run_options.only_execute_path_to_fetches = True
    run_options.log_severity_level = ERRORS_ONLY

    def run(images: Tensor) -> Candidates:
        pixels = images[0].permute(1, 2, 0) if metadata.letterbox else images
        feed = {input_name: pixels.cpu().contiguous().numpy()}
        boxes, scores = session.run(CANDIDATE_OUTPUTS, feed, run_options)
        return Candidates(torch.from_numpy(boxes), torch.from_numpy(scores))

    provider = session.get_providers()[0].removesuffix("ExecutionProvider")
    return LoadedRuntime(metadata, run, HOST, f"ONNX Runtime on {provider}, float32")


def create_session(path: Path, providers: list[Provider]) -> "InferenceSession":
    """Load an ONNX file with as many threads as PyTorch uses; ValueError if that fails."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = ERRORS_ONLY
    try:
        return onnxruntime.InferenceSession(path, options, providers)
    except Exception as error:  # its exceptions have no common base class
        raise ValueError(f"ONNX Runtime cannot load {path}: {error}") from None


def choose_providers(device: torch.device, available: list[str]) -> list[Provider]:
    """Return ONNX Runtime's execution providers for a device; print what to install to use the GPU."""
    if device.type == "cpu":
        return [CPU]
    if CUDA not in available:
        print(
            "this ONNX Runtime was built without CUDA, so it uses the CPU: for the GPU, "
            "pip uninstall onnxruntime and pip install onnxruntime-gpu"
        )
        return [CPU]
    return [(CUDA, {"device_id": device.index or 0}), CPU]
