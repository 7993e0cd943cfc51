"""From pixels to detections: network, decoding, NMS, and back to the original image.

Evaluation in training, get_map, predict and video all come through `detect_batch`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor, nn

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.data.detections import Detections
from utils.images.letterbox import Letterbox
from utils.inference.nms import NMSResult, nms
from utils.system.device import autocasting
from utils.system.stopwatch import Stopwatch


class DetectorLike(Protocol):
    """What detects: a `Detector`, or a model that was exported.

    pixels  what it expects of pixels: how images are padded
    stride  what the sides of its input must be multiples of
    device  where images go
    """

    @property
    def pixels(self) -> PixelFormat: ...

    @property
    def stride(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def detect(self, images: Tensor) -> Candidates:
        """uint8 RGB [B, 3, H, W] -> boxes and scores before NMS."""
        ...


@dataclass(frozen=True)
class DetectSettings:
    """What decides which candidates become detections; these defaults are for evaluation.

    rectangular   whether batches are cut to the shapes of their images
    agnostic_nms  whether boxes suppress those of other classes too
    """

    confidence: float = 0.001
    nms_iou: float = 0.5
    max_detections: int = 300
    autocast: torch.dtype | None = None
    rectangular: bool = False
    agnostic_nms: bool = False


@torch.inference_mode()
def detect_batch(
    detector: DetectorLike,
    images: Tensor,
    letterboxes: Sequence[Letterbox],
    settings: DetectSettings,
    watch: Stopwatch | None = None,
) -> list[Detections]:
    """Detect on uint8 RGB images [B, 3, H, W], letterboxed as `letterboxes` says.

    `watch` gets the time of the stages "network" and "NMS".
    """
    watch = watch or Stopwatch()
    with watch.timed("network"):
        decoded = find_candidates(detector, images, settings.autocast)
    with watch.timed("NMS"):
        return select_detections(decoded, letterboxes, settings)


@torch.inference_mode()
def find_candidates(detector: DetectorLike, images: Tensor, autocast: torch.dtype | None) -> Candidates:
    """Boxes and scores before NMS, on the input, of uint8 RGB images [B, 3, H, W]."""
    if isinstance(detector, nn.Module):
        detector.eval()
    with autocasting(images.device, autocast):
        return detector.detect(images)


@torch.inference_mode()
def select_detections(
    decoded: Candidates, letterboxes: Sequence[Letterbox], settings: DetectSettings
) -> list[Detections]:
    """Detections in the original images' pixels, of candidates on inputs that lie as `letterboxes` says."""
    found = nms(
        decoded, settings.confidence, settings.nms_iou, settings.max_detections, settings.agnostic_nms
    )
    candidates = decoded.scores.shape[1]
    return [_to_image(kept, plan, candidates) for kept, plan in zip(found, letterboxes, strict=True)]


def _to_image(kept: NMSResult, letterbox: Letterbox, candidates: int) -> Detections:
    """Back in the original image's pixels, without boxes that lie in the padding alone."""
    boxes = letterbox.inverse(kept.boxes.cpu().numpy())
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(
        boxes=boxes[inside],
        scores=kept.scores.float().cpu().numpy()[inside],
        labels=kept.labels.cpu().numpy()[inside],
        best_score=kept.best_score,
        best_label=kept.best_label,
        candidates=candidates,
    )
