"""A trained detector, loaded from a weights file or an exported file, and made ready for inference."""

from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from nets import build, preset
from nets.common.detector import Detector
from utils.data.class_names import read_classes
from utils.images.types import Size
from utils.inference.detect import DetectorLike
from utils.inference.exported_model import load_exported
from utils.inference.optimize import for_inference, is_accurate
from utils.system.device import Amp, choose_autocast, describe_device, to_device
from utils.system.validation import check_image_size
from utils.weights.checkpoint_schema import naming
from utils.weights.file_kind import exported_kind
from utils.weights.load_weights import best_fit, known_classes, load_weights
from utils.weights.pretrained import PRETRAINED, pretrained_weights
from utils.weights.read_weights import Weights, read_weights
from utils.weights.thresholds import Thresholds


@dataclass(frozen=True)
class TrainedDetector:
    """A detector with trained weights, and all that is needed to use it.

    image_size  height and width of the input
    thresholds  confidence thresholds of best F1; None if not stored with the weights
    autocast    number format of the convolutions; None is float32
    runtime     log line about the runtime of an exported file; None for PyTorch
    """

    detector: DetectorLike
    model_name: str
    class_names: tuple[str, ...]
    image_size: Size
    thresholds: Thresholds | None = None
    autocast: torch.dtype | None = None
    runtime: str | None = None


def load_trained(
    weights: str | Path,
    device: torch.device,
    *,
    model: str | None = None,
    classes: str | Path | None = None,
    image_size: Size | None = None,
    amp: Amp = "auto",
    trust: bool = False,
) -> TrainedDetector:
    """Build the detector that a weights file is for, and load its weights; every tensor must fit.

    A checkpoint stores its model, classes and image size. The model of a bare state dict is recognised by its
    tensors; otherwise `model`, `classes` and `image_size` name them. "pretrained" loads the published weights
    of `model`. ValueError naming the missing flag.

    A file of export.py is opened by its runtime, in the number format of `amp`; a TorchScript file, which can
    run any code, only with `trust`.
    """
    if str(weights) == PRETRAINED:
        weights = _published(model)
    if exported_kind(weights):
        exported = load_exported(
            weights, device, amp, model=model, classes=classes, image_size=image_size, trust=trust
        )
        metadata = exported.metadata
        return TrainedDetector(
            exported,
            metadata.model_name,
            metadata.class_names,
            exported.image_size,
            metadata.thresholds,
            runtime=exported.describe(),
        )
    content = read_weights(weights)
    name = model or content.model_name or _recognised(content)
    own = name == content.model_name  # the file's own model, with its own parts
    with naming(weights) if own else nullcontext():
        design = preset(name, **(content.parts if own else {}))
    names = read_classes(classes) if classes else known_classes(content, design)
    if names is None:
        raise ValueError(f"{weights} does not store its class names: name a file with them by --classes")
    detector = build(design, len(names))
    load_weights(detector, content, design, names, strict=True)
    size = image_size or content.image_size or design.image_size
    with nullcontext() if image_size else naming(weights):
        check_image_size(size, detector.stride, design.smallest)
    return TrainedDetector(to_device(detector.eval(), device), name, names, size, content.thresholds)


def ready_for_inference(trained: TrainedDetector, amp: Amp, check: bool = True) -> TrainedDetector:
    """Return the detector with BatchNorm fused into the convolutions, in 16-bit floats if `amp` says so.

    With amp "auto" and `check`, 16-bit floats are compared with float32 first; if they change the detections,
    float32 is used, and a line is printed.
    """
    detector = trained.detector
    if not isinstance(detector, Detector):
        return trained
    autocast = choose_autocast(amp, detector.device)
    chosen = for_inference(detector, autocast)
    if check and amp == "auto" and autocast is not None:
        exact = for_inference(detector, None)
        if not is_accurate(exact, chosen, autocast, trained.image_size):
            print(
                f"16-bit floats change the detections of {trained.model_name} with these weights: "
                "using float32"
            )
            chosen, autocast = exact, None
    return replace(trained, detector=chosen, autocast=autocast)


def describe_trained(trained: TrainedDetector) -> str:
    """Return one line for the log: device, number format, and the runtime of an exported file."""
    return trained.runtime or describe_device(trained.detector.device, trained.autocast)


def _published(model: str | None) -> Path:
    if model is None:
        raise ValueError("--weights pretrained: name the model whose published weights to use with --model")
    return pretrained_weights(model)


def _recognised(weights: Weights) -> str:
    name, share = best_fit(weights)
    if share < 0.9:
        raise ValueError(f"{weights.path} does not say which model it is for: name it with --model")
    return name
