"""Write a detector for other runtimes: python export.py --weights logs/RUN/best.pt --format onnx

ONNX, OpenVINO, TorchScript and, by way of ONNX, TensorRT. What was written is run and compared before it is
kept; predict.py, video.py and get_map.py take it as --weights.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nets import preset
from nets.common.detector import Detector
from utils.export.difference import Difference
from utils.export.verify import Proof, prove, verify_on
from utils.export.verify_nms import prove_nms
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
from utils.system.device import choose_device, multiplies_bf16
from utils.system.files import proving
from utils.system.validation import check_values
from utils.weights.file_kind import exported_kind, refuse_exported
from utils.weights.pretrained import weights_licence
from utils.weights.thresholds import DEFAULT

FLOAT32, FLOAT16 = Difference(1.0, 0.005), Difference(20.0, 0.05)  # allowed, by the format of the weights


@dataclass(frozen=True)
class Config:
    """Write a detector for other runtimes."""

    weights: Path  # a checkpoint of train.py, other weights, or pretrained with --model
    format: ExportFormat = "onnx"  # onnx, openvino, torchscript, or tensorrt: ONNX and a build command
    output: Path | None = None  # the file, or for OpenVINO the folder; by default beside the weights
    check: str = ""  # data to compare on: a list, VOC2007:test, a.json:images/, ...; else drawn images
    dynamic: bool = False  # take any number of images of any size, rather than one of --image-size
    letterbox: bool = False  # take an image of any size, [h, w, 3], and give boxes in its own pixels
    nms: bool = True  # have outputs after non-maximum suppression too, beside those before it
    confidence: float | None = None  # least score of a box after NMS; by default the best as stored, else .5
    nms_iou: float = 0.3  # of two boxes of a class that overlap more than this, the better one stays
    max_detections: int = 300  # most boxes on one image after NMS
    half: bool = False  # keep the weights of an OpenVINO folder as float16, in half the space
    tolerance: tuple[float, float] | None = None  # most pixels, and score, off: 1 .005, with --half 20 .05
    model: str | None = None  # the model, for weights that do not say it
    classes: Path | None = None  # class names, one a line, for weights that do not say them
    image_size: tuple[int, int] | None = None  # height and width of the input; by default as trained
    batch_size: int = 8  # images at a time in the comparison
    device: str = "cpu"  # where TorchScript is to run, cpu or cuda; other formats run on both


def main(config: Config) -> None:
    """Write the file, run it, compare, and keep it if it is the same detector."""
    check_values(
        vars(config),
        {
            "at least 1": ("max_detections", "batch_size"),
            "from 0 to 1": ("confidence",),
            "above 0 and at most 1": ("nms_iou",),
        },
    )
    tolerance = allowed(config)
    refuse_exported(config.weights, "cannot be exported again")
    path = output_path(config.output, config.weights, config.model, config.format)
    device = choose_device(config.device if config.format == "torchscript" else "cpu")
    trained = load_trained(
        config.weights, device, model=config.model, classes=config.classes, image_size=config.image_size
    )
    detector = trained.detector
    assert isinstance(detector, Detector), "exported files were refused"
    facts = facts_of(config, trained)
    check_exportable(detector, facts, config.format, config.half)
    inference = for_inference(detector, None)
    if config.format == "openvino":
        short = for_inference(detector, torch.bfloat16)
        accurate = is_accurate(inference, short, torch.bfloat16, trained.image_size)
        facts = replace(facts, bfloat16=accurate)
    index = read_data(config.check, trained.class_names) if config.check else None
    if index is not None:
        require_images(index, config.check)
    with proving(path) as beside:
        write_export(inference, facts, beside, config.format, config.half)
        for sentence in run_and_compare(beside, Proof(detector, tolerance, index, config.batch_size)):
            print(sentence)
    print(f"saved: {path}")
    if config.format == "tensorrt":
        print("build the engine where it is to run (this was not tried here):")
        print(trtexec_command(path, facts))


def run_and_compare(path: Path, proof: Proof) -> Iterator[str]:
    """Sentences about what was seen; ValueError where the file is not the same detector."""
    device = proof.detector.device
    exported = load_exported(path, device, "off")
    yield from prove(proof, exported)
    if exported.facts.nms:
        yield prove_nms(proof, exported)
    if exported_kind(path) == "openvino" and multiplies_bf16(device):
        shortened = verify_on(proof, load_exported(path, device, "bf16"))
        chosen = "is used" if exported.facts.bfloat16 else "is not used, since it finds other things,"
        yield f"in bfloat16, which {chosen} where the CPU has it: {shortened.told}"


def allowed(config: Config) -> Difference:
    """How far apart the exported file and the detector may be; ValueError for what is no tolerance."""
    if config.tolerance is None:
        return FLOAT16 if config.half else FLOAT32
    if min(config.tolerance) <= 0:
        raise ValueError("--tolerance is two numbers above 0: pixels, and a difference of scores")
    return Difference(*config.tolerance)


def facts_of(config: Config, trained: TrainedDetector) -> ExportMetadata:
    """What the file is to say of itself."""
    stored = DEFAULT if trained.thresholds is None else trained.thresholds.overall
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
