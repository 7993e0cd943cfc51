"""Writes ONNX files: letterbox, network, decoding and NMS in one graph."""

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from nets.common.detector import Detector
from utils.export.onnx_letterbox import letterbox_graph, original_graph
from utils.export.onnx_nms import nms_graph
from utils.export.onnx_text import IR_VERSION, OPSET, put_after, put_before
from utils.inference.exported_metadata import CANDIDATE_OUTPUTS, INPUT_NAME, METADATA_KEY, ExportMetadata
from utils.system.validation import MAX_IMAGE_SIDE, require_packages

if TYPE_CHECKING:
    from onnx import ModelProto

MAX_BATCH = 8192
NMS_OUTPUTS = ("boxes", "scores", "labels")  # after NMS


class InferenceNetwork(nn.Module):
    """A detector whose `forward` is inference: network and decoding."""

    def __init__(self, detector: Detector) -> None:
        super().__init__()
        self.detector = detector

    def forward(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Return boxes [B, A, 4] xyxy (input pixels), scores [B, A, C] for uint8 RGB images [B, 3, H, W].

        Like `Detector.detect`, but without autocast, which graphs cannot contain, and with pixels converted
        to float first: TensorRT supports no other operation on uint8.
        """
        boxes, scores = self.detector.decode(self.detector(images.float()))
        return boxes, scores


def write_onnx(detector: Detector, metadata: ExportMetadata, path: Path) -> None:
    """Write an ONNX file. ValueError if a package is missing or PyTorch's exporter fails."""
    require_packages("--format onnx", "onnx", "onnxscript")
    import onnx

    model = network_graph(detector, metadata)
    if metadata.nms:
        put_after(model, nms_graph(metadata.confidence, metadata.nms_iou, metadata.max_detections))
        _name_outputs(model, metadata)
    if metadata.letterbox:
        put_before(model, letterbox_graph(metadata.image_size, metadata.pixels))
    onnx.helper.set_model_props(model, {METADATA_KEY: metadata.to_json()})
    model.producer_name = "Boxwright"
    model.ir_version = IR_VERSION  # PyTorch writes a later one, of which the graph uses nothing
    onnx.checker.check_model(model, full_check=True)
    onnx.save(model, path)


def network_graph(detector: Detector, metadata: ExportMetadata) -> "ModelProto":
    """Return the graph that PyTorch's exporter makes of the network, from `images` to the candidates."""
    height, width = metadata.image_size
    shapes = None
    # Two images for a dynamic batch size: with one, the exporter would fix the batch size to 1.
    example = torch.zeros(2 if metadata.dynamic else 1, 3, height, width, dtype=torch.uint8)
    if metadata.dynamic:
        shapes = {INPUT_NAME: dynamic_shape(metadata.stride)}
    try:
        with torch.no_grad(), quiet():
            program = torch.onnx.export(
                InferenceNetwork(detector),
                (example,),
                input_names=[INPUT_NAME],
                output_names=[*CANDIDATE_OUTPUTS],
                dynamic_shapes=shapes,
                opset_version=OPSET,
                dynamo=True,  # the older exporter, by tracing, is no longer maintained
                external_data=False,
                verbose=False,
            )
    except torch.onnx.OnnxExporterError as error:
        reason = str(error.__cause__ or error).strip().splitlines()[0]
        name = metadata.model_name
        raise ValueError(f"PyTorch's exporter cannot write {name} as ONNX: {reason}") from error
    assert program is not None
    model = program.model_proto
    _remove_node_metadata(model)
    return model


def _remove_node_metadata(model: "ModelProto") -> None:
    """Remove the nodes' notes on source lines, which fill a fifth of a small file and contain local paths."""
    graph = model.graph
    for part in (graph, *graph.node, *graph.input, *graph.output, *graph.value_info, *graph.initializer):
        del part.metadata_props[:]


def dynamic_shape(stride: int) -> dict[int, Any]:
    """Return the dynamic dimensions of `images` [B, 3, H, W] by axis; sides are multiples of the stride."""
    dim = torch.export.Dim
    most = MAX_IMAGE_SIDE // stride
    sides = [stride * dim(f"{name}_by_{stride}", min=1, max=most) for name in ("height", "width")]
    return {0: dim("batch", min=1, max=MAX_BATCH), 2: sides[0], 3: sides[1]}


def _name_outputs(model: "ModelProto", metadata: ExportMetadata) -> None:
    """Name the outputs after NMS; with a letterbox in the graph, first map boxes to original pixels."""
    if metadata.letterbox:
        put_after(model, original_graph())
        del model.graph.output[-6:-3]  # the outputs of `nms_graph`, now intermediate values
        return
    for output, name in zip(model.graph.output[-3:], NMS_OUTPUTS, strict=True):
        for node in model.graph.node:
            node.output[:] = [name if value == output.name else value for value in node.output]
        output.name = name


@contextmanager
def quiet() -> Iterator[None]:
    """Silence the exporter's warnings and logs; failures still raise exceptions."""
    logger, level = logging.getLogger("torch"), logging.getLogger("torch").level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
