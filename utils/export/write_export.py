"""Export formats: file names, restrictions, and the writer of each format."""

from pathlib import Path
from typing import Literal

from nets.common.detector import Detector, SizedDetector
from nets.heads.faster_rcnn import FasterRCNN
from utils.export.onnx_writer import write_onnx
from utils.export.other_writers import write_openvino, write_torchscript
from utils.inference.exported_metadata import ExportMetadata
from utils.weights.file_kind import MODEL_FILE
from utils.weights.pretrained import PRETRAINED

ExportFormat = Literal["onnx", "openvino", "torchscript", "tensorrt"]
ENDINGS: dict[ExportFormat, str] = {
    "onnx": ".onnx",
    "openvino": "_openvino",
    "torchscript": ".torchscript",
    "tensorrt": ".onnx",
}


def output_path(output: Path | None, weights: Path, model: str | None, export_format: ExportFormat) -> Path:
    """Return the path of the export: `output`, or else a path next to the weights.

    For "pretrained" weights, the default is the model's name in the current folder. ValueError for a name
    without the format's ending, and for a folder with other files.
    """
    ending = ENDINGS[export_format]
    stem = model if model and str(weights) == PRETRAINED else weights.stem
    path = output or weights.with_name(stem + ending)
    if ending.startswith("."):
        if path.suffix != ending:
            raise ValueError(f"--output {path}: the name for --format {export_format} must end in {ending}")
        if path.is_dir():
            raise ValueError(f"--output {path} is a folder: name a file")
    elif path.is_file():
        raise ValueError(f"--output {path} is a file: --format {export_format} writes a folder")
    elif path.is_dir() and any(path.iterdir()) and not (path / MODEL_FILE).is_file():
        raise ValueError(
            f"--output {path} holds other files: name a new folder, or that of an earlier export"
        )
    return path


def check_exportable(
    detector: Detector, metadata: ExportMetadata, export_format: ExportFormat, half: bool
) -> None:
    """Raise ValueError with the reason if the detector cannot be exported with these settings."""
    name = metadata.model_name
    if isinstance(detector, FasterRCNN):
        raise ValueError(
            f"{name} cannot be exported: the number of boxes in its second stage differs from image to "
            "image, and the exporters have no graph for that; train fcos, retinanet or a YOLO instead"
        )
    if half and export_format != "openvino":
        raise ValueError(
            "--half stores the weights of an OpenVINO folder as float16; leave it out for --format "
            f"{export_format}"
        )
    if metadata.letterbox and metadata.dynamic:
        raise ValueError("--letterbox already takes images of any size, one at a time: leave out --dynamic")
    if metadata.letterbox and (export_format not in ("onnx", "openvino") or not metadata.nms):
        raise ValueError(
            "--letterbox needs NMS in the graph, and --format onnx or openvino: it computes in float64, "
            "which TensorRT does not have, and TorchScript files hold the network alone"
        )
    if metadata.dynamic and isinstance(detector, SizedDetector):
        raise ValueError(
            f"--dynamic: the anchors of {name} depend on the image size, and the exporters store them as "
            "constants; leave --dynamic out, and export one file for each size"
        )


def write_export(
    detector: Detector, metadata: ExportMetadata, path: Path, export_format: ExportFormat, half: bool
) -> None:
    """Write a detector prepared by `for_inference` in one of the formats; "tensorrt" writes ONNX."""
    if export_format == "openvino":
        write_openvino(detector, metadata, path, half)
    elif export_format == "torchscript":
        write_torchscript(detector, metadata, path)
    else:
        write_onnx(detector, metadata, path)


def trtexec_command(path: Path, metadata: ExportMetadata) -> str:
    """Return the command that builds a TensorRT engine; a dynamic engine takes up to 8 images per batch."""
    parts = ["trtexec", f"--onnx={path}", f"--saveEngine={path.with_suffix('.engine')}", "--fp16"]
    if metadata.dynamic:
        height, width = metadata.image_size
        smallest = max(metadata.stride, -(-metadata.smallest // metadata.stride) * metadata.stride)
        parts += [
            f"--minShapes=images:1x3x{smallest}x{smallest}",
            f"--optShapes=images:1x3x{height}x{width}",
            f"--maxShapes=images:8x3x{height}x{width}",
        ]
    return " ".join(parts)
