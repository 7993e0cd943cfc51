"""An exported ONNX file as a function from images to candidates, by ONNX Runtime."""

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import (
    CANDIDATES,
    HOST,
    NAME,
    ExportMetadata,
    LoadedRuntime,
    facts_from_json,
)
from utils.system.device import Amp
from utils.system.validation import require_packages

CPU, CUDA = "CPUExecutionProvider", "CUDAExecutionProvider"
QUIET = 3  # errors alone; warnings are about the graph, which users cannot change


def open_onnx(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load an ONNX file.

    Only the candidates are computed: NMS is ours, so that results are those of the checkpoint.
    ValueError for a file that is damaged or not of ours, and for a number format that it has not.
    """
    require_packages(f"running {path.name}", "onnxruntime")
    import onnxruntime

    if amp in ("bf16", "fp16"):
        raise ValueError(
            f"--amp {amp}: ONNX Runtime computes in float32; for bf16 export with --format openvino"
        )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = QUIET
    providers = choose_providers(device, onnxruntime.get_available_providers())
    try:
        session = onnxruntime.InferenceSession(path, options, providers)
    except Exception as error:  # whatever it raises: its exceptions have no base of their own
        raise ValueError(f"ONNX Runtime cannot load {path}: {error}") from None
    facts = _facts(session, path)
    fetched = onnxruntime.RunOptions()
    fetched.only_execute_path_to_fetches = True
    fetched.log_severity_level = QUIET
    name = session.get_inputs()[0].name

    def run(images: Tensor) -> Candidates:
        image = images[0].permute(1, 2, 0) if facts.letterbox else images
        feed = {name: image.cpu().contiguous().numpy()}
        boxes, scores = session.run(CANDIDATES, feed, fetched)
        return Candidates(torch.from_numpy(boxes), torch.from_numpy(scores))

    where = session.get_providers()[0].removesuffix("ExecutionProvider")
    return LoadedRuntime(facts, run, HOST, f"ONNX Runtime on {where}, float32")


def choose_providers(device: torch.device, available: list[str]) -> list[Any]:
    """ONNX Runtime's names of what it computes with; where it cannot use the GPU, it says what to install."""
    if device.type == "cpu":
        return [CPU]
    if CUDA not in available:
        print(
            "this ONNX Runtime has no CUDA, so the CPU is used: for the GPU, pip uninstall onnxruntime and "
            "pip install onnxruntime-gpu"
        )
        return [CPU]
    return [(CUDA, {"device_id": device.index or 0}), CPU]


def _facts(session: Any, path: Path) -> ExportMetadata:
    outputs = [output.name for output in session.get_outputs()]
    metadata = session.get_modelmeta().custom_metadata_map
    lacking = [f"the output {name}" for name in CANDIDATES if name not in outputs]
    lacking += [] if NAME in metadata else ["class names and sizes"]
    if lacking:
        raise ValueError(
            f"{path} was not written by export.py: it lacks {', '.join(lacking)}; it has the outputs "
            f"{', '.join(outputs)}. Export the checkpoint that it was made from with export.py"
        )
    return facts_from_json(metadata[NAME], path)
