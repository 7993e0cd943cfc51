"""Writes a detector as an ONNX file: network, decoding, NMS and letterbox in one graph."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from nets.common.detector import Detector
from utils.export.onnx_letterbox import letterbox_graph, original_graph
from utils.export.onnx_nms import nms_graph
from utils.export.onnx_text import OPSET, put_after, put_before
from utils.inference.exported_metadata import CANDIDATES, INPUT, NAME, ExportMetadata
from utils.system.validation import require_packages

MOST_SIDE = 8192  # pixels of the largest input of a dynamic file, and as many images
OUTPUTS = ("boxes", "scores", "labels")  # after NMS


class Network(nn.Module):
    """A detector as one function, with nothing that differs between training and use."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """uint8 RGB [B, 3, H, W] -> boxes [B, A, 4] xyxy in pixels of the input, scores [B, A, C].

        The steps of `Detector.detect`, without its switch of autocast, which graphs have no place for. Whole
        numbers end at the first step: TensorRT can do nothing else with them.
        """
        boxes, scores = self.detector.decode(self.detector(images.float()))
        return boxes, scores


def write_onnx(detector: Detector, facts: ExportMetadata, path: Path) -> None:
    """Write the file. ValueError where `onnx` is not installed, or the exporter cannot do this detector."""
    require_packages("--format onnx", "onnx", "onnxscript")
    import onnx

    model = network_graph(detector, facts)
    if facts.nms:
        put_after(model, nms_graph(facts.confidence, facts.nms_iou, facts.max_detections))
        _name_outputs(model, facts)
    if facts.letterbox:
        put_before(model, letterbox_graph(facts.image_size, facts.pixels))
    onnx.helper.set_model_props(model, {NAME: facts.to_json()})
    model.producer_name = "Boxwright"
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def network_graph(detector: Detector, facts: ExportMetadata) -> Any:
    """The network alone, from `images` to the candidates, as PyTorch's exporter makes it."""
    height, width = facts.image_size
    shapes = None
    # Two images where their number is to stay open: of one the exporter would conclude that it is always 1.
    example = torch.zeros(2 if facts.dynamic else 1, 3, height, width, dtype=torch.uint8)
    if facts.dynamic:
        shapes = {INPUT: dynamic_shape(facts.stride)}
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                Network(detector),
                (example,),
                input_names=[INPUT],
                output_names=[*CANDIDATES],
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,  # the other one, by tracing, is no longer kept up
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        raise ValueError(f"PyTorch's exporter cannot write {facts.model_name} as ONNX: {reason}") from error
    assert program is not None
    return without_origins(program.model_proto)


def without_origins(model: Any) -> Any:
    """The model without notes on where each node comes from: a fifth of a small one, and paths of here."""
    graph = model.graph
    for noted in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del noted.metadata_props[:]
    return model


def dynamic_shape(stride: int) -> dict[int, Any]:
    """For each dimension of `images` that stays open what it may be: sides are multiples of the stride."""
    dim = torch.export.Dim
    sides = [
        stride * dim(f"{name}_by_{stride}", min=1, max=MOST_SIDE // stride) for name in ("height", "width")
    ]
    return {0: dim("batch", min=1, max=MOST_SIDE), 2: sides[0], 3: sides[1]}


def _name_outputs(model: Any, facts: ExportMetadata) -> None:
    """Let the outputs after NMS have their plain names, in the image's own pixels after a letterbox."""
    if facts.letterbox:
        put_after(model, original_graph())
        del model.graph.output[-6:-3]  # they are on the way to the new ones only
        return
    for output, name in zip(model.graph.output[-3:], OUTPUTS, strict=True):
        for node in model.graph.node:
            node.output[:] = [name if value == output.name else value for value in node.output]
        output.name = name


@contextmanager
def quiet() -> Iterator[None]:
    """Without what the exporter says of itself: its failures come as exceptions."""
    logger, level = logging.getLogger("torch"), logging.getLogger("torch").level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
