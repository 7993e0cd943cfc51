"""The Predictor: from a weights file and an image to detections."""

import math
from collections.abc import Sequence
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from nets.common.structures import Candidates
from utils.data.detections import Detections
from utils.data.types import Image, Size
from utils.images.image_io import read_image
from utils.images.letterbox import Letterbox, letterbox, rectangular_size
from utils.inference.detect import DetectSettings, find_candidates, select_detections
from utils.predict.settings import PredictSettings
from utils.predict.trained_detector import load_trained, ready_for_inference
from utils.system.device import choose_device
from utils.system.settings import check_ranges
from utils.system.stopwatch import Stopwatch
from utils.weights.thresholds import (
    DEFAULT_CONFIDENCE,
    change_confidences,
    check_class_names,
    class_confidences,
)

ImageOrPath = Image | str | PathLike[str]


class Predictor:
    """A detector for images: `Predictor("logs/run/best.pt")("street.jpg")`.

    The keyword arguments are the fields of `PredictSettings`.
    """

    def __init__(self, weights: str | Path, **options: Any) -> None:
        asked = PredictSettings(Path(weights), **options)
        check_ranges(asked)
        trained = load_trained(
            asked.weights,
            choose_device(asked.device),
            model=asked.model,
            classes=asked.classes,
            image_size=asked.image_size,
            amp=asked.amp,
            trust=asked.trust_weights,
        )
        self.model = ready_for_inference(trained, asked.amp)
        self.device = self.model.detector.device
        self.class_names = self.model.class_names
        confidences = class_confidences(asked.confidence, self.model.thresholds, len(self.class_names))
        self.confidences = change_confidences(confidences, self.class_names, asked.class_confidence)
        check_class_names("--only", asked.only, self.class_names)
        self.wanted = [k for k, name in enumerate(self.class_names) if not asked.only or name in asked.only]
        self.settings = DetectSettings(
            confidence=min((self.confidences[k] for k in self.wanted), default=DEFAULT_CONFIDENCE),
            nms_iou=asked.nms_iou,
            max_detections=asked.max_detections,
            autocast=self.model.autocast,
            rectangular=asked.rectangular,
            agnostic_nms=asked.agnostic_nms,
        )

    def __call__(self, images: ImageOrPath | Sequence[ImageOrPath]) -> Detections | list[Detections]:
        """Return the detections on one image, or a list of detections for several, which form one batch.

        An image is uint8 RGB [H, W, 3], or a path. `ImageError`, a ValueError, if a file cannot be read.
        """
        if isinstance(images, np.ndarray | str | PathLike):
            return self.detect([images])[0]
        return self.detect(images)

    def detect(self, images: Sequence[ImageOrPath], watch: Stopwatch | None = None) -> list[Detections]:
        """Return the detections on each image of one batch.

        `watch` records the time of the stages "preprocess", "network" and "NMS".
        """
        if not images:
            return []
        return self.select(*self.candidates(images, watch), watch)

    def candidates(
        self, images: Sequence[ImageOrPath], watch: Stopwatch | None = None, size: Size | None = None
    ) -> tuple[Candidates, list[Letterbox]]:
        """Return boxes and scores before NMS, in input pixels, and the letterbox of each image.

        size  height and width of the input; default: `model.image_size`
        """
        watch = watch or Stopwatch()
        arrays = [image if isinstance(image, np.ndarray) else read_image(image) for image in images]
        with watch.timed("preprocess"):
            inputs, letterboxes = self.letterboxed(arrays, size)
        with watch.timed("network"):
            return find_candidates(self.model.detector, inputs, self.settings.autocast), letterboxes

    def letterboxed(
        self, images: Sequence[Image], size: Size | None = None
    ) -> tuple[Tensor, list[Letterbox]]:
        """Return the images as one batch uint8 [B, 3, H, W] on the device, and the letterbox of each."""
        detector, size = self.model.detector, size or self.model.image_size
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
        self, candidates: Candidates, letterboxes: Sequence[Letterbox], watch: Stopwatch | None = None
    ) -> list[Detections]:
        """Apply NMS and class thresholds; return the detections in pixels of the original images."""
        with (watch or Stopwatch()).timed("NMS"):
            some = len(self.wanted) < len(self.class_names)
            if some:
                candidates = candidates._replace(scores=candidates.scores[..., self.wanted])
            found = select_detections(candidates, letterboxes, self.settings)
            if some:
                found = [detections.with_labels(self.wanted) for detections in found]
            return [detections.above(self.confidences) for detections in found]


def limit_text(limited: int, unit: str, max_detections: int) -> str:
    """Return in words how many images or frames reached the limit of detections; "" if none did.

    unit  "image" or "frame"
    """
    if not limited:
        return ""
    many = f"{limited:,} {unit}{'s' * (limited > 1)}"
    return (
        f"note: {many} reached the limit of {max_detections} detections, or of candidates for them: "
        "a larger --max-detections may find more"
    )


def explain_empty(detections: Detections, confidences: Sequence[float], class_names: Sequence[str]) -> str:
    """Explain why nothing was detected: how close the highest-scoring candidate came to its threshold."""
    if detections.best_label < 0:
        return "there was no candidate at all"
    # Rounded down: a best of 0.4999 at confidence 0.5 must not read as 0.50.
    confidence = confidences[detections.best_label]
    best = f"{math.floor(100 * detections.best_score) / 100:.2f} ({class_names[detections.best_label]})"
    return f"0 of {detections.candidates} candidates reached confidence {confidence:g}; the best was {best}"
