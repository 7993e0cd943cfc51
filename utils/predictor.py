"""A trained detector ready for pictures: from a weights file and an image to detections."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path

import numpy as np
import torch

from nets import build, preset
from nets.detector import Detector
from utils.classes import read_classes
from utils.detections import Detections
from utils.device import Amp, choose_autocast, choose_device, place
from utils.image import read_image
from utils.inference import DetectSettings, detect_batch
from utils.letterbox import letterbox
from utils.preflight import check_image_size
from utils.pretrained import WORD, pretrained_weights
from utils.thresholds import DEFAULT, Confidence, Thresholds, class_confidences
from utils.weights import Weights, best_fit, known_classes, load_weights, read_weights

Image = np.ndarray | str | PathLike[str]


@dataclass(frozen=True)
class TrainedDetector:
    """A detector with its weights, and what it needs to be used; image_size is height, width.

    thresholds  the scores with the best F1, where they are stored with the weights
    """

    detector: Detector
    model_name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    thresholds: Thresholds | None = None


def load_trained(
    weights: str | Path,
    device: torch.device,
    *,
    model: str | None = None,
    classes: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
) -> TrainedDetector:
    """Build the detector that a weights file is for, and load it; every tensor has to fit.

    A checkpoint says itself which model, classes and image size it is for. For a bare state dict the model is
    found by its tensors; `model`, `classes` and `image_size` say it otherwise. "pretrained" stands for the
    published weights of `model`. ValueError with the flag that is needed.
    """
    if str(weights) == WORD:
        weights = _published(model)
    content = read_weights(weights)
    name = model or content.model_name or _recognised(content)
    design = preset(name, **(content.parts if name == content.model_name else {}))
    names = read_classes(classes) if classes else known_classes(content, design)
    if names is None:
        raise ValueError(f"{weights} does not say what its classes are called: name a file with --classes")
    detector = build(design, len(names))
    load_weights(detector, content, design, names, strict=True)
    size = image_size or content.image_size or design.image_size
    check_image_size(size, detector.stride, design.smallest)
    return TrainedDetector(place(detector.eval(), device), name, names, size, content.thresholds)


class Predictor:
    """Finds objects on images: `Predictor("logs/run/best.pt")("street.jpg")`.

    weights     a checkpoint of `train.py`, other weights with `model` and `classes`, or "pretrained" with
                `model`
    confidence  least score of a detection: a number; "best" or "best-by-class", as get_map.py stored them
        with the weights; by default the best one if it is stored, else .5
    nms_iou     of two boxes of one class that overlap more than this, the better one stays
    max_detections  on one image
    """

    def __init__(
        self,
        weights: str | Path,
        *,
        model: str | None = None,
        classes: str | Path | None = None,
        image_size: tuple[int, int] | None = None,
        device: str = "auto",
        amp: Amp = "auto",
        confidence: Confidence = None,
        nms_iou: float = 0.3,
        max_detections: int = 300,
    ) -> None:
        self.device = choose_device(device)
        self.model = load_trained(weights, self.device, model=model, classes=classes, image_size=image_size)
        self.class_names = self.model.class_names
        self.confidences = class_confidences(confidence, self.model.thresholds, len(self.class_names))
        least = min(self.confidences, default=DEFAULT)
        autocast = choose_autocast(amp, self.device)
        self.settings = DetectSettings(least, nms_iou, max_detections, autocast)

    def __call__(self, images: Image | Sequence[Image]) -> Detections | list[Detections]:
        """Detections on one image, or a list of them for several, which then go through as one batch.

        An image is uint8 RGB [H, W, 3], or a path. `ImageError`, a ValueError, if a file cannot be read.
        """
        if isinstance(images, np.ndarray | str | PathLike):
            return self.detect([images])[0]
        return self.detect(images)

    def detect(self, images: Sequence[Image]) -> list[Detections]:
        """Detections on each image of one batch."""
        if not images:
            return []
        pixels = self.model.detector.pixels
        batch = np.empty((len(images), *self.model.image_size, 3), np.uint8)
        plans = []
        for image, out in zip(images, batch, strict=True):
            picture = image if isinstance(image, np.ndarray) else read_image(image)
            plan = letterbox(picture, self.model.image_size, pixels.pad_value, pixels.pad_centred, out)[1]
            plans.append(plan)
        tensor = torch.from_numpy(batch).permute(0, 3, 1, 2).to(self.device)
        found = detect_batch(self.model.detector, tensor, plans, self.settings)
        return [detections.above(self.confidences) for detections in found]


def explain_empty(detections: Detections, confidences: Sequence[float], class_names: Sequence[str]) -> str:
    """Why nothing was found, in numbers: how near the best candidate came."""
    if detections.best_label < 0:
        return "there was no candidate at all"
    # Rounded down: a best of 0.4999 at confidence 0.5 must not read as 0.50.
    confidence = confidences[detections.best_label]
    best = f"{math.floor(100 * detections.best_score) / 100:.2f} ({class_names[detections.best_label]})"
    return f"0 of {detections.candidates} candidates reached confidence {confidence:g}; the best was {best}"


def _published(model: str | None) -> Path:
    if model is None:
        raise ValueError("--weights pretrained: name the model whose published weights to use with --model")
    return pretrained_weights(model)


def _recognised(weights: Weights) -> str:
    name, share = best_fit(weights)
    if share < 0.9:
        raise ValueError(f"{weights.path} does not say which model it is for: name it with --model")
    return name
