"""Runs exported OpenVINO folders on the CPU. The whole process shares one OpenVINO Core."""

import functools
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.inference.exported_metadata import (
    CANDIDATE_OUTPUTS,
    METADATA_KEY,
    ExportMetadata,
    read_metadata,
)
from utils.inference.loaded_runtime import HOST, LoadedRuntime
from utils.system.device import Amp, supports_bf16
from utils.system.validation import require_packages
from utils.weights.file_kind import MODEL_FILE

if TYPE_CHECKING:
    from openvino import CompiledModel, Core, Model

MAX_COMPILED_SHAPES = 4  # batch shapes with a compiled model each


def load_openvino(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load an OpenVINO folder, or the model.xml in it.

    Only the candidates are computed, and our own NMS follows, so that results equal the checkpoint's.
    ValueError for a folder that is damaged or was not written by `export.py`, and for fp16.
    """
    require_packages(f"running {path.name}", "openvino")
    import openvino

    if device.type != "cpu":
        print("OpenVINO uses the CPU here, not the GPU")
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{path} is not an OpenVINO folder: it has no {MODEL_FILE}")
    with file.open("rb") as content:  # OpenVINO would try other formats: TensorFlow, ONNX, ...
        if not content.read(100).lstrip().startswith(b"<"):
            raise ValueError(f"OpenVINO cannot load {file}: it is not XML; export it again")
    core = openvino_core()
    try:
        model = core.read_model(file)
        outputs = sorted(name for output in model.outputs for name in output.names)
        text = model.get_rt_info([METADATA_KEY]).astype(str) if model.has_rt_info([METADATA_KEY]) else None
    except Exception as error:  # its exceptions have no common base class
        raise ValueError(f"OpenVINO cannot load {file}: {str(error).strip().splitlines()[-1]}") from None
    metadata = read_metadata(text, path, outputs)
    number_format = precision(amp, metadata.bfloat16)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": number_format,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }
    compiled: dict[tuple[int, ...], CompiledModel] = {}

    def compiled_for(shape: tuple[int, ...]) -> "CompiledModel":
        """Return a model per shape: yolox_nano at 416 takes 16 ms with dynamic, 9 ms with static shapes."""
        if shape not in compiled and len(compiled) >= MAX_COMPILED_SHAPES:
            shape = ()  # one model with dynamic shapes for all further ones
        if shape not in compiled:
            compiled[shape] = core.compile_model(_candidate_model(model, metadata, shape), "CPU", settings)
        return compiled[shape]

    def run(images: Tensor) -> Candidates:
        pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        network = compiled_for(pixels.shape)
        request = network.create_infer_request()
        inputs = [openvino.Tensor(pixels[0] if metadata.letterbox else pixels, shared_memory=True)]
        if network.outputs[0].partial_shape.is_dynamic:
            boxes, scores = (np.array(value) for value in request.infer(inputs).values())
        else:  # write the outputs into our own arrays, without a copy
            boxes, scores = (np.empty(tuple(output.shape), np.float32) for output in network.outputs)
            for number, array in enumerate((boxes, scores)):
                request.set_output_tensor(number, openvino.Tensor(array, shared_memory=True))
            request.infer(inputs)
        return Candidates(torch.from_numpy(boxes), torch.from_numpy(scores))

    return LoadedRuntime(metadata, run, HOST, f"OpenVINO on CPU, {number_format}")


def _candidate_model(full: "Model", metadata: ExportMetadata, shape: tuple[int, ...]) -> "Model":
    """Return the model up to the candidates, for images [B, H, W, 3] of `shape`; of any shape if empty."""
    import openvino

    model = openvino.Model([full.output(name) for name in CANDIDATE_OUTPUTS], full.get_parameters()).clone()
    if metadata.letterbox:
        model.reshape(list(shape[1:]))
        return model
    if shape:
        batch, height, width, channels = shape
        model.reshape([batch, channels, height, width])
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))  # the layout of images in memory
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def precision(amp: Amp, accurate: bool) -> str:
    """Return OpenVINO's number format; "auto" is bf16 if that is `accurate` and the CPU supports it."""
    if amp == "fp16":
        raise ValueError(
            "--amp fp16 needs a GPU, and OpenVINO runs on the CPU here; use --amp bf16, auto or off"
        )
    automatic = amp == "auto" and accurate and supports_bf16(HOST)
    return "bf16" if amp == "bf16" or automatic else "f32"


@functools.cache
def openvino_core() -> "Core":
    """Return the Core that the whole process shares until it ends.

    A Core's CPU plugin gives the thread an alternate signal stack, and restores the previous stack when the
    Core is destroyed. With two Cores, the second to be destroyed restores the freed stack of the first, and
    Ctrl+C then causes a segmentation fault if signals have their own stack, as with `faulthandler` (seen with
    OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()
