"""Runs an exported OpenVINO folder: from images to candidates. OpenVINO's Core is one for the program."""

import functools
from pathlib import Path
from typing import Any

import numpy as np
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
from utils.system.device import Amp, multiplies_bf16
from utils.system.validation import require_packages
from utils.weights.file_kind import MODEL_FILE

SHAPES = 4  # of batches, for each of which there is a compiled model


def open_openvino(path: Path, device: torch.device, amp: Amp) -> LoadedRuntime:
    """Load an OpenVINO folder, or its model.xml, to run on the CPU.

    Only the candidates are computed: NMS is ours, so that results are those of the checkpoint.
    ValueError for a folder that is damaged or not of ours, and for a number format that it has not.
    """
    require_packages(f"running {path.name}", "openvino")
    import openvino

    if device.type != "cpu":
        print("OpenVINO uses the CPU here, not the GPU")
    file = path / MODEL_FILE if path.is_dir() else path
    if not file.is_file():
        raise ValueError(f"{path} is no OpenVINO folder: there is no {MODEL_FILE} in it")
    core = openvino_core()
    try:
        whole = core.read_model(file)
    except Exception as error:  # whatever it raises: they have no base of their own
        raise ValueError(f"OpenVINO cannot load {file}: {str(error).strip().splitlines()[-1]}") from None
    facts = _facts(whole, path)
    number_format = precision(amp, facts.bfloat16)
    settings = {
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": number_format,
        "INFERENCE_NUM_THREADS": torch.get_num_threads(),
    }

    networks: dict[tuple[int, ...], Any] = {}

    def compiled(shape: tuple[int, ...]) -> Any:
        """For one shape each: yolox_nano at 416 took 16 ms with open sizes, 9 with fixed ones."""
        if shape not in networks and len(networks) >= SHAPES:
            shape = ()  # open sizes, for all others
        if shape not in networks:
            networks[shape] = core.compile_model(_candidates_alone(whole, facts, shape), "CPU", settings)
        return networks[shape]

    def run(images: Tensor) -> Candidates:
        pixels = images.permute(0, 2, 3, 1).contiguous().numpy()
        network = compiled(pixels.shape)
        request = network.create_infer_request()
        network_input = pixels[0] if facts.letterbox else pixels
        given = [openvino.Tensor(network_input, shared_memory=True)]
        if network.outputs[0].partial_shape.is_dynamic:
            boxes, scores = (np.array(value) for value in request.infer(given).values())
        else:  # into arrays of our own, without a copy
            boxes, scores = (np.empty(tuple(output.shape), np.float32) for output in network.outputs)
            for number, array in enumerate((boxes, scores)):
                request.set_output_tensor(number, openvino.Tensor(array, shared_memory=True))
            request.infer(given)
        return Candidates(torch.from_numpy(boxes), torch.from_numpy(scores))

    return LoadedRuntime(facts, run, HOST, f"OpenVINO on CPU, {number_format}")


def _candidates_alone(whole: Any, facts: ExportMetadata, shape: tuple[int, ...]) -> Any:
    """The model up to the candidates, for images [B, H, W, 3] of one shape, or of any if that is empty."""
    import openvino

    model = openvino.Model([whole.output(name) for name in CANDIDATES], whole.get_parameters()).clone()
    if facts.letterbox:
        model.reshape(list(shape[1:]))
        return model
    if shape:
        batch, height, width, channels = shape
        model.reshape([batch, channels, height, width])
    steps = openvino.preprocess.PrePostProcessor(model)
    steps.input().tensor().set_layout(openvino.Layout("NHWC"))  # as images lie in memory
    steps.input().model().set_layout(openvino.Layout("NCHW"))
    return steps.build()


def precision(amp: Amp, accurate: bool) -> str:
    """OpenVINO's name of the number format; "auto" is bf16 where the CPU has it, if it is `accurate`."""
    if amp == "fp16":
        raise ValueError(
            "--amp fp16 needs a GPU, and OpenVINO runs on the CPU here; use --amp bf16, auto or off"
        )
    automatic = amp == "auto" and accurate and multiplies_bf16(HOST)
    return "bf16" if amp == "bf16" or automatic else "f32"


def _facts(model: Any, path: Path) -> ExportMetadata:
    outputs = sorted(name for output in model.outputs for name in output.names)
    lacking = [f"the output {name}" for name in CANDIDATES if name not in outputs]
    lacking += [] if model.has_rt_info([NAME]) else ["class names and sizes"]
    if lacking:
        raise ValueError(
            f"{path} was not written by export.py: it lacks {', '.join(lacking)}; it has the outputs "
            f"{', '.join(outputs)}. Export the checkpoint that it was made from with export.py"
        )
    return facts_from_json(model.get_rt_info([NAME]).astype(str), path)


@functools.cache
def openvino_core() -> Any:
    """The Core, which stays.

    Its CPU plugin gives the thread a stack to handle signals on, and puts the one before it back when it
    goes. Of two Cores, the second to go puts back that of the first, which is no more, and Ctrl+C then ends
    Python by a segmentation fault where signals have their own stack, as `faulthandler` sees to (seen with
    OpenVINO 2026.4).
    """
    import openvino

    return openvino.Core()
