"""Verifies the parts of an exported graph around the network: NMS, and the letterbox if included."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.export.difference import Agreement, Difference, largest_difference, nms_agreement
from utils.export.onnx_writer import NMS_OUTPUTS
from utils.export.verify import Reference, require_within
from utils.images.letterbox import letterbox
from utils.inference.detect import DetectSettings, select_detections
from utils.inference.exported_model import ExportedModel
from utils.inference.nms import NMSResult, nms
from utils.inference.onnx_runtime import CPU, create_session
from utils.inference.openvino_runtime import openvino_core
from utils.weights.file_kind import MODEL_FILE, FileKind, exported_kind

LETTERBOX_FACTOR = 10  # on the tolerance, with the letterbox in the graph: resizing rounds differently

Outputs = dict[str, Tensor]
GraphFunction = Callable[[np.ndarray], Outputs]  # from a graph's input to all outputs


@torch.inference_mode()
def verify_nms(reference: Reference, exported: ExportedModel) -> str:
    """Compare NMS and letterbox of the graph with ours, and return a sentence; ValueError if they differ."""
    kind = exported_kind(exported.path)
    assert kind is not None
    graph = load_graph(exported.path, kind)
    metadata, pixels = exported.metadata, exported.pixels
    agreement = Agreement(0, 0)
    for image in reference.images():
        letterboxed, plan = letterbox(image, metadata.image_size, pixels.pad_value, pixels.pad_centred)
        batch = np.ascontiguousarray(letterboxed.transpose(2, 0, 1)[None])
        outputs = graph(image if metadata.letterbox else batch)
        candidates = Candidates(outputs["candidate_boxes"], outputs["candidate_scores"])
        if metadata.letterbox:
            _require_same_letterbox(reference, batch, candidates)
            settings = DetectSettings(metadata.confidence, metadata.nms_iou, metadata.max_detections)
            (found,) = select_detections(candidates, [plan], settings)
            boxes, scores, labels = map(torch.from_numpy, (found.boxes, found.scores, found.labels))
            kept = [NMSResult(boxes, scores, labels, found.best_score, found.best_label)]
        else:
            kept = nms(candidates, metadata.confidence, metadata.nms_iou, metadata.max_detections)
        boxes, scores, labels = (outputs[name] for name in NMS_OUTPUTS)
        agreement = agreement.plus(nms_agreement(kept, boxes, scores, labels))
    summary = f"NMS in the graph and our own: {agreement.common} of {agreement.number} boxes are the same"
    if not agreement.close:
        raise ValueError(f"{summary}. The file was not kept; export it without NMS: --no-nms")
    return summary


def _require_same_letterbox(reference: Reference, batch: np.ndarray, candidates: Candidates) -> None:
    """Raise ValueError unless the graph's letterbox and ours lead to about the same candidates."""
    size = batch.shape[2], batch.shape[3]
    tolerance = reference.tolerance
    allowed = Difference(LETTERBOX_FACTOR * tolerance.box, LETTERBOX_FACTOR * tolerance.score)
    expected = reference.detector.detect(torch.from_numpy(batch).to(reference.detector.device))
    difference = largest_difference(expected, candidates, size, allowed)
    require_within(difference, allowed, "with the letterbox in the graph")


def load_graph(path: Path, kind: FileKind) -> GraphFunction:
    """Load a whole graph, from `images` uint8 [B, 3, H, W] or `image` uint8 [h, w, 3] to outputs by name."""
    return _load_onnx_graph(path) if kind == "onnx" else _load_openvino_graph(path / MODEL_FILE)


def _load_onnx_graph(path: Path) -> GraphFunction:
    session = create_session(path, [CPU])
    names = [output.name for output in session.get_outputs()]
    input_name = session.get_inputs()[0].name

    def run(pixels: np.ndarray) -> Outputs:
        return dict(zip(names, map(torch.from_numpy, session.run(names, {input_name: pixels})), strict=True))

    return run


def _load_openvino_graph(file: Path) -> GraphFunction:
    network = openvino_core().compile_model(file, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})

    def run(pixels: np.ndarray) -> Outputs:
        outputs = network([pixels])
        return {output.any_name: torch.from_numpy(np.array(outputs[output])) for output in network.outputs}

    return run
