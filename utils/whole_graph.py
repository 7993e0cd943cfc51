"""All outputs of an exported graph, as those get them who run the file without our code."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from utils.exported_kind import MODEL_FILE, Kind
from utils.openvino_core import openvino_core

Outputs = dict[str, Tensor]
Whole = Callable[[np.ndarray], Outputs]


def open_whole(path: Path, kind: Kind) -> Whole:
    """A function from the input, `images` [B, 3, H, W] or `image` [h, w, 3] uint8, to outputs by name."""
    return _onnx(path) if kind == "onnx" else _openvino(path / MODEL_FILE)


def _onnx(path: Path) -> Whole:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(path, options, ["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    given = session.get_inputs()[0].name

    def run(pixels: np.ndarray) -> Outputs:
        return dict(zip(names, map(torch.from_numpy, session.run(names, {given: pixels})), strict=True))

    return run


def _openvino(file: Path) -> Whole:
    network = openvino_core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pixels: np.ndarray) -> Outputs:
        outputs = network([pixels])
        return {output.any_name: torch.from_numpy(np.array(outputs[output])) for output in network.outputs}

    return run
