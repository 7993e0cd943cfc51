"""Export a detector to other runtimes: python export.py --weights logs/RUN/best.pt --format onnx

ONNX, OpenVINO, TorchScript, and TensorRT by way of ONNX. The exported file is run and compared with the
detector before it is kept; predict.py, video.py and get_map.py take it as --weights.
"""

import utils.system.quiet_imports  # noqa: F401

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nets import preset
from nets.common.detector import Detector
from utils.data.summary import print_notes
from utils.data.types import Size
from utils.export.difference import Difference
from utils.export.verify import Reference, compare_on_data, verify_network
from utils.export.verify_nms import verify_nms
from utils.export.write_export import (
    ExportFormat,
    check_exportable,
    output_path,
    trtexec_command,
    write_export,
)
from utils.formats.read_data import read_data, require_images
from utils.inference.exported_metadata import ExportMetadata
from utils.inference.exported_model import load_exported
from utils.inference.optimize import for_inference, is_accurate
from utils.predict.trained_detector import TrainedDetector, load_trained
from utils.system.cli import run
from utils.system.device import choose_device, supports_bf16
from utils.system.files import require_writable, staged
from utils.system.settings import Fraction, PositiveFraction, PositiveInt, check_ranges
from utils.weights.file_kind import exported_kind, refuse_exported
from utils.weights.pretrained import weights_licence
from utils.weights.thresholds import DEFAULT_CONFIDENCE

FLOAT32_TOLERANCE, FLOAT16_TOLERANCE = Difference(1.0, 0.005), Difference(20.0, 0.05)


@dataclass(frozen=True)
class Config:
    """Export a detector to other runtimes."""

    weights: Path  # train.py checkpoint, .pt or .weights file, or "pretrained" (needs --model)
    format: ExportFormat = "onnx"  # output format; tensorrt writes ONNX and prints the build command
    output: Path | None = None  # output file (OpenVINO: folder); default: next to the weights
    check: str = ""  # data to check the export on: list file, VOC2007:test, ...; default: synthetic
    dynamic: bool = False  # dynamic batch and image size, instead of one image of --image-size
    letterbox: bool = False  # letterbox in the graph: any image size in, boxes in original pixels out
    nms: bool = True  # include NMS in the graph; the raw candidates remain outputs too
    confidence: Fraction | None = None  # NMS score threshold; default: stored in the weights, else .5
    nms_iou: PositiveFraction = 0.3  # NMS IoU threshold, applied per class
    max_detections: PositiveInt = 300  # maximum number of detections per image after NMS
    half: bool = False  # store OpenVINO weights as float16 (half the size)
    tolerance: tuple[float, float] | None = None  # allowed error: pixels, score; default: 1 .005
    model: str | None = None  # model name, for weights without one
    classes: Path | None = None  # class names, one per line, for weights without them
    image_size: Size | None = None  # input height and width in pixels; default: the training size
    batch_size: PositiveInt = 8  # batch size of --check
    device: str = "cpu"  # device to run TorchScript on, cpu or cuda; other formats run on both


def main(config: Config) -> None:
    """Write the file, run it, and keep it if its detections equal the detector's."""
    check_ranges(config)
    tolerance = choose_tolerance(config)
    refuse_exported(config.weights, "cannot be exported again")
    path = output_path(config.output, config.weights, config.model, config.format)
    require_writable(path.absolute().parent)
    device = choose_device(config.device if config.format == "torchscript" else "cpu")
    trained = load_trained(
        config.weights, device, model=config.model, classes=config.classes, image_size=config.image_size
    )
    detector = trained.detector
    assert isinstance(detector, Detector), "exported files were refused"
    metadata = export_metadata(config, trained)
    check_exportable(detector, metadata, config.format, config.half)
    inference = for_inference(detector, None)
    if config.format == "openvino":
        reduced = for_inference(detector, torch.bfloat16)
        accurate = is_accurate(inference, reduced, torch.bfloat16, trained.image_size)
        metadata = replace(metadata, bfloat16=accurate)
    index = read_data(config.check, trained.class_names) if config.check else None
    if index is not None:
        print_notes(index)
        require_images(index, config.check)
    with staged(path) as beside:
        write_export(inference, metadata, beside, config.format, config.half)
        for sentence in verify(beside, Reference(detector, tolerance, index, config.batch_size)):
            print(sentence)
    print(f"saved: {path}")
    if config.format == "tensorrt":
        print("build the engine on the machine that will run it (the command was not tried here):")
        print(trtexec_command(path, metadata))


def verify(path: Path, reference: Reference) -> Iterator[str]:
    """Compare file and detector, and yield sentences about it; ValueError if they differ too much."""
    device = reference.detector.device
    exported = load_exported(path, device, "off", trust=True)  # this process wrote it
    yield from verify_network(reference, exported)
    if exported.metadata.nms:
        yield verify_nms(reference, exported)
    if exported_kind(path) == "openvino" and supports_bf16(device):
        comparison = compare_on_data(reference, load_exported(path, device, "bf16"))
        usage = "is the default" if exported.metadata.bfloat16 else "is not used, since detections change,"
        yield f"in bfloat16, which {usage} where the CPU supports it: {comparison.summary}"


def choose_tolerance(config: Config) -> Difference:
    """Return the allowed difference between exported file and detector; ValueError unless above 0."""
    if config.tolerance is None:
        return FLOAT16_TOLERANCE if config.half else FLOAT32_TOLERANCE
    if min(config.tolerance) <= 0:
        raise ValueError("--tolerance is two numbers above 0: pixels, and a difference of scores")
    return Difference(*config.tolerance)


def export_metadata(config: Config, trained: TrainedDetector) -> ExportMetadata:
    """Return the metadata to write into the file."""
    stored = DEFAULT_CONFIDENCE if trained.thresholds is None else trained.thresholds.overall
    return ExportMetadata(
        model_name=trained.model_name,
        class_names=trained.class_names,
        image_size=trained.image_size,
        stride=trained.detector.stride,
        smallest=preset(trained.model_name).smallest,
        pixels=trained.detector.pixels,
        thresholds=trained.thresholds,
        dynamic=config.dynamic,
        letterbox=config.letterbox,
        nms=config.nms and config.format != "torchscript",
        confidence=stored if config.confidence is None else config.confidence,
        nms_iou=config.nms_iou,
        max_detections=config.max_detections,
        device=trained.detector.device.type if config.format == "torchscript" else "any",
        weights_licence=weights_licence(config.weights, config.model),
    )


if __name__ == "__main__":
    run(main, Config)
