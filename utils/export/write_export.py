"""The formats that a detector is exported to: how each is written, and what its file is called."""

from pathlib import Path
from typing import Literal

from nets.common.detector import Detector
from nets.heads.faster_rcnn import FasterRCNN
from utils.export.onnx_writer import write_onnx
from utils.export.other_writers import write_openvino, write_torchscript
from utils.inference.exported_metadata import ExportMetadata
from utils.weights.file_kind import MODEL_FILE
from utils.weights.pretrained import WORD

ExportFormat = Literal["onnx", "openvino", "torchscript", "tensorrt"]
ENDINGS: dict[ExportFormat, str] = {
    "onnx": ".onnx",
    "openvino": "_openvino",
    "torchscript": ".torchscript",
    "tensorrt": ".onnx",
}


def output_path(output: Path | None, weights: Path, model: str | None, kind: ExportFormat) -> Path:
    """Where the export goes, by default beside the weights; of "pretrained" ones here, by the model's name.

    ValueError for a name whose ending does not say what is in it, and for a folder that holds other things.
    """
    ending = ENDINGS[kind]
    stem = model if model and str(weights) == WORD else weights.stem
    path = output or weights.with_name(stem + ending)
    if ending.startswith("."):
        if path.suffix != ending:
            raise ValueError(f"--output {path}: the name of a {kind} export ends in {ending}")
        if path.is_dir():
            raise ValueError(f"--output {path} is a folder: name a file")
    elif path.is_file():
        raise ValueError(f"--output {path} is a file: an {kind} export is a folder")
    elif path.is_dir() and any(path.iterdir()) and not (path / MODEL_FILE).is_file():
        raise ValueError(
            f"--output {path} holds other files: name a new folder, or that of an earlier export"
        )
    return path


def check_exportable(detector: Detector, facts: ExportMetadata, kind: ExportFormat, half: bool) -> None:
    """ValueError that says why, for what cannot be had."""
    name = facts.model_name
    if isinstance(detector, FasterRCNN):
        raise ValueError(
            f"{name} cannot be exported: how many boxes its second stage looks at differs from image to "
            "image, which the exporters have no graph for; train fcos, retinanet or a YOLO instead"
        )
    if half and kind != "openvino":
        raise ValueError(
            f"--half keeps the weights of an OpenVINO folder as float16; leave it out for --format {kind}"
        )
    if facts.letterbox and facts.dynamic:
        raise ValueError("--letterbox takes images of every size already, one at a time: leave out --dynamic")
    if facts.letterbox and (kind not in ("onnx", "openvino") or not facts.nms):
        raise ValueError(
            "--letterbox goes with NMS in the graph, and with --format onnx or openvino: TensorRT has no "
            "float64, which it is computed in, and TorchScript here is the network alone"
        )
    if facts.dynamic and hasattr(detector.head, "lay_anchors"):
        raise ValueError(
            f"--dynamic: {name} lays its anchors for one size of images, and the exporters write them down "
            "as numbers; leave --dynamic out, and export a file for each size"
        )


def write_export(
    detector: Detector, facts: ExportMetadata, path: Path, kind: ExportFormat, half: bool
) -> None:
    """Write the detector, which is ready for inference, in one of the formats; TensorRT's is ONNX."""
    if kind == "openvino":
        write_openvino(detector, facts, path, half)
    elif kind == "torchscript":
        write_torchscript(detector, facts, path)
    else:
        write_onnx(detector, facts, path)


def trtexec_command(path: Path, facts: ExportMetadata) -> str:
    """The command that builds a TensorRT engine, for up to 8 images of the size it was exported for."""
    parts = ["trtexec", f"--onnx={path}", f"--saveEngine={path.with_suffix('.engine')}", "--fp16"]
    if facts.dynamic:
        height, width = facts.image_size
        least = max(facts.stride, -(-facts.smallest // facts.stride) * facts.stride)
        parts += [
            f"--minShapes=images:1x3x{least}x{least}",
            f"--optShapes=images:1x3x{height}x{width}",
            f"--maxShapes=images:8x3x{height}x{width}",
        ]
    return " ".join(parts)
