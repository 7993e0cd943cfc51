"""A trained detector ready for images: from a weights file and an image to detections."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from os import PathLike
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from nets import build, preset
from nets.common.detector import Detector
from nets.common.structures import Candidates
from utils.data.class_names import read_classes
from utils.data.detections import Detections
from utils.images.image_io import read_image
from utils.images.letterbox import Letterbox, letterbox, rectangular_size
from utils.inference.detect import DetectorLike, DetectSettings, find_candidates, select_detections
from utils.inference.exported_model import ExportedModel, load_exported
from utils.inference.optimize import for_inference, is_accurate
from utils.system.device import Amp, choose_autocast, choose_device, describe_device, to_device
from utils.system.stopwatch import Stopwatch
from utils.system.validation import check_image_size
from utils.weights.file_kind import exported_kind
from utils.weights.load_weights import best_fit, known_classes, load_weights
from utils.weights.pretrained import WORD, pretrained_weights
from utils.weights.read_weights import Weights, read_weights
from utils.weights.thresholds import (
    DEFAULT,
    Confidence,
    Thresholds,
    change_confidences,
    check_names,
    class_confidences,
)

ImageOrPath = np.ndarray | str | PathLike[str]


@dataclass(frozen=True)
class TrainedDetector:
    """A detector with its weights, and what it needs to be used; image_size is height, width.

    thresholds  the scores with the best F1, where they are stored with the weights
    autocast    what its convolutions run in; None is float32
    """

    detector: DetectorLike
    model_name: str
    class_names: tuple[str, ...]
    image_size: tuple[int, int]
    thresholds: Thresholds | None = None
    autocast: torch.dtype | None = None


def load_trained(
    weights: str | Path,
    device: torch.device,
    *,
    model: str | None = None,
    classes: str | Path | None = None,
    image_size: tuple[int, int] | None = None,
    amp: Amp = "auto",
) -> TrainedDetector:
    """Build the detector that a weights file is for, and load it; every tensor has to fit.

    A checkpoint says itself which model, classes and image size it is for. For a bare state dict the model is
    found by its tensors; `model`, `classes` and `image_size` say it otherwise. "pretrained" stands for the
    published weights of `model`. ValueError with the flag that is needed.

    What export.py wrote is opened instead, in the number format of `amp`.
    """
    if str(weights) == WORD:
        weights = _published(model)
    if exported_kind(weights):
        exported = load_exported(weights, device, amp, model=model, classes=classes, image_size=image_size)
        facts = exported.facts
        return TrainedDetector(
            exported, facts.model_name, facts.class_names, exported.image_size, facts.thresholds
        )
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
    return TrainedDetector(to_device(detector.eval(), device), name, names, size, content.thresholds)


def ready(trained: TrainedDetector, amp: Amp, check: bool = True) -> TrainedDetector:
    """The same made ready for inference: folded, and in 16-bit floats as `amp` says.

    Where "auto" would take them and they change what is found, it stays with float32, and says so; `check`
    is whether that is looked at.
    """
    detector = trained.detector
    if not isinstance(detector, Detector):
        return trained
    autocast = choose_autocast(amp, detector.device)
    chosen = for_inference(detector, autocast)
    if check and amp == "auto" and autocast is not None:
        exact = for_inference(detector, None)
        if not is_accurate(exact, chosen, autocast, trained.image_size):
            print(f"16-bit floats change what {trained.model_name} finds with these weights: using float32")
            chosen, autocast = exact, None
    return replace(trained, detector=chosen, autocast=autocast)


def describe_trained(trained: TrainedDetector) -> str:
    """One line for the log: on which device it runs, in which number format, and by what if exported."""
    if isinstance(trained.detector, ExportedModel):
        return trained.detector.describe()
    return describe_device(trained.detector.device, trained.autocast)


class Predictor:
    """Finds objects on images: `Predictor("logs/run/best.pt")("street.jpg")`.

    weights     a checkpoint of `train.py`, what `export.py` wrote, other weights, or "pretrained" with
                `model`
    confidence  least score of a detection: a number; "best" or "best-by-class", as get_map.py stored them
        with the weights; by default the best one if it is stored, else .5
    class_confidence  other least scores for some classes, by name
    only        names of the classes to look for; by default all
    nms_iou     of two boxes of one class that overlap more than this, the better one stays
    agnostic_nms  whether that holds for boxes of two classes too
    max_detections  on one image
    rectangular  whether the input is cut to the shapes of the images of a batch: faster, nearly the same
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
        class_confidence: Mapping[str, float] | None = None,
        only: Sequence[str] = (),
        nms_iou: float = 0.3,
        agnostic_nms: bool = False,
        max_detections: int = 300,
        rectangular: bool = False,
    ) -> None:
        trained = load_trained(
            weights, choose_device(device), model=model, classes=classes, image_size=image_size, amp=amp
        )
        self.model = ready(trained, amp)
        self.device = self.model.detector.device
        self.class_names = self.model.class_names
        confidences = class_confidences(confidence, self.model.thresholds, len(self.class_names))
        self.confidences = change_confidences(confidences, self.class_names, class_confidence or {})
        check_names("--only", only, self.class_names)
        self.wanted = [k for k, name in enumerate(self.class_names) if not only or name in only]
        least = min((self.confidences[k] for k in self.wanted), default=DEFAULT)
        self.settings = DetectSettings(
            least, nms_iou, max_detections, self.model.autocast, rectangular, agnostic_nms
        )

    def __call__(self, images: ImageOrPath | Sequence[ImageOrPath]) -> Detections | list[Detections]:
        """Detections on one image, or a list of them for several, which then go through as one batch.

        An image is uint8 RGB [H, W, 3], or a path. `ImageError`, a ValueError, if a file cannot be read.
        """
        if isinstance(images, np.ndarray | str | PathLike):
            return self.detect([images])[0]
        return self.detect(images)

    def detect(self, images: Sequence[ImageOrPath], watch: Stopwatch | None = None) -> list[Detections]:
        """Detections on each image of one batch.

        `watch` gets the time of the stages "preprocess", "network" and "NMS".
        """
        if not images:
            return []
        return self.select(*self.candidates(images, watch), watch)

    def candidates(
        self, images: Sequence[ImageOrPath], watch: Stopwatch | None = None
    ) -> tuple[Candidates, list[Letterbox]]:
        """What comes before NMS: boxes and scores on the network input, and where each image lies on it."""
        watch = watch or Stopwatch()
        arrays = [image if isinstance(image, np.ndarray) else read_image(image) for image in images]
        with watch.timed("preprocess"):
            inputs, letterboxes = self.letterboxed(arrays)
        with watch.timed("network"):
            return find_candidates(self.model.detector, inputs, self.settings.autocast), letterboxes

    def letterboxed(self, images: Sequence[np.ndarray]) -> tuple[Tensor, list[Letterbox]]:
        """Images uint8 RGB [H, W, 3] as a batch [B, 3, H, W] on the device, and where each lies on it."""
        detector, size = self.model.detector, self.model.image_size
        if self.settings.rectangular:
            shapes = [(image.shape[0], image.shape[1]) for image in images]
            size = rectangular_size(shapes, size, detector.stride)
        batch = np.empty((len(images), *size, 3), np.uint8)
        pixels = detector.pixels
        letterboxes = [
            letterbox(image, size, pixels.pad_value, pixels.pad_centred, out)[1]
            for image, out in zip(images, batch, strict=True)
        ]
        return torch.from_numpy(batch).permute(0, 3, 1, 2).to(self.device), letterboxes

    def select(
        self, decoded: Candidates, letterboxes: Sequence[Letterbox], watch: Stopwatch | None = None
    ) -> list[Detections]:
        """The detections among candidates: NMS, and back to the pixels of each image."""
        with (watch or Stopwatch()).timed("NMS"):
            if len(self.wanted) < len(self.class_names):
                decoded = decoded._replace(scores=decoded.scores[..., self.wanted])
            found = select_detections(decoded, letterboxes, self.settings)
            if len(self.wanted) < len(self.class_names):
                found = [detections.with_labels(self.wanted) for detections in found]
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
