"""Verifies what a graph does beside the network: NMS, and the letterbox where it has one."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.export.difference import Agreement, Difference, largest_difference, nms_agreement
from utils.export.onnx_writer import OUTPUTS
from utils.export.verify import Proof, require
from utils.images.letterbox import letterbox
from utils.inference.detect import DetectSettings, select_detections
from utils.inference.exported_model import ExportedModel
from utils.inference.nms import NMSResult, nms
from utils.inference.openvino_runtime import openvino_core
from utils.weights.file_kind import MODEL_FILE, FileKind, exported_kind

SCALED = 10  # times the tolerance, where the graph scales images: by a grey level unlike OpenCV

Outputs = dict[str, Tensor]
Whole = Callable[[np.ndarray], Outputs]


@torch.inference_mode()
def prove_nms(proof: Proof, exported: ExportedModel) -> str:
    """A sentence about what was seen; ValueError where NMS or letterbox of the graph are not ours."""
    kind = exported_kind(exported.path)
    assert kind is not None
    whole = open_whole(exported.path, kind)
    agreement = Agreement(0, 0)
    for image in proof.images():
        facts, pixels = exported.facts, exported.pixels
        inputs, plan = letterbox(image, facts.image_size, pixels.pad_value, pixels.pad_centred)
        channels_first = np.ascontiguousarray(inputs.transpose(2, 0, 1)[None])
        outputs = whole(image if facts.letterbox else channels_first)
        candidates = Candidates(outputs["candidate_boxes"], outputs["candidate_scores"])
        if facts.letterbox:
            _require_same_letterbox(proof, channels_first, candidates)
            settings = DetectSettings(facts.confidence, facts.nms_iou, facts.max_detections)
            (found,) = select_detections(candidates, [plan], settings)
            boxes, scores, labels = map(torch.from_numpy, (found.boxes, found.scores, found.labels))
            kept = [NMSResult(boxes, scores, labels, found.best_score, found.best_label)]
        else:
            kept = nms(candidates, facts.confidence, facts.nms_iou, facts.max_detections)
        agreement = agreement.and_of(nms_agreement(kept, *_after_nms(outputs)))
    told = f"NMS in the graph and our own: {agreement.common} of {agreement.number} boxes are the same"
    if not agreement.close:
        raise ValueError(f"{told}. The file was not kept; leave NMS out with --no-nms")
    return told


def _after_nms(outputs: Outputs) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    boxes, scores, labels = (outputs[name] for name in OUTPUTS)
    return boxes, scores, labels


def _require_same_letterbox(proof: Proof, images: np.ndarray, candidates: Candidates) -> None:
    """ValueError unless the graph's own letterbox leads to about the candidates that ours leads to."""
    size = images.shape[2], images.shape[3]
    allowed = Difference(SCALED * proof.tolerance.box, SCALED * proof.tolerance.score)
    expected = proof.detector.detect(torch.from_numpy(images).to(proof.detector.device))
    difference = largest_difference(expected, candidates, size, allowed)
    require(difference, allowed, "with the letterbox in the graph")


def open_whole(path: Path, kind: FileKind) -> Whole:
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
