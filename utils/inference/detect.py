"""From pixels to detections: network, decoding, NMS, and mapping to the original image.

Evaluation in training, get_map, predict and video all use `find_candidates` and `select_detections`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates
from utils.data.detections import Detections
from utils.data.types import Size
from utils.images.letterbox import Letterbox
from utils.inference.nms import NMSResult, nms
from utils.system.device import autocasting
from utils.system.stopwatch import Stopwatch


class DetectorLike(Protocol):
    """The interface that `Detector` and exported models share.

    pixels  pixel format of the input: how images are padded
    stride  input height and width must be multiples of it
    device  device of the input
    """

    @property
    def pixels(self) -> PixelFormat: ...

    @property
    def stride(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def accepts(self, size: Size) -> bool:
        """Return whether inputs of this size (height, width) are accepted."""
        ...

    def eval(self) -> object:
        """Switch to evaluation mode, if there are modes."""
        ...

    def detect(self, images: Tensor) -> Candidates:
        """Return boxes and scores before NMS for uint8 RGB images [B, 3, H, W]."""
        ...


@dataclass(frozen=True)
class DetectSettings:
    """Settings of the network and of NMS; the defaults are for evaluation.

    autocast      number format of convolutions; None is float32
    rectangular   whether the padding of a batch is cut to the shapes of its images
    agnostic_nms  whether NMS is class-agnostic: boxes of different classes suppress each other too
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
    """Detect on uint8 RGB images [B, 3, H, W], which were letterboxed as in `letterboxes`.

    `watch` records the time of the stages "network" and "NMS".
    """
    watch = watch or Stopwatch()
    with watch.timed("network"):
        candidates = find_candidates(detector, images, settings.autocast)
    with watch.timed("NMS"):
        return select_detections(candidates, letterboxes, settings)


@torch.inference_mode()
def find_candidates(detector: DetectorLike, images: Tensor, autocast: torch.dtype | None) -> Candidates:
    """Return pre-NMS scores and boxes (input pixels) for uint8 RGB images [B, 3, H, W]."""
    detector.eval()
    with autocasting(images.device, autocast):
        return detector.detect(images)


@torch.inference_mode()
def select_detections(
    candidates: Candidates, letterboxes: Sequence[Letterbox], settings: DetectSettings
) -> list[Detections]:
    """Return the detections after NMS, mapped by `letterboxes` to pixels of the original images."""
    kept = nms(
        candidates, settings.confidence, settings.nms_iou, settings.max_detections, settings.agnostic_nms
    )
    number = candidates.scores.shape[1]
    return [_to_original(result, plan, number) for result, plan in zip(kept, letterboxes, strict=True)]


def _to_original(kept: NMSResult, letterbox: Letterbox, candidates: int) -> Detections:
    """Return detections in pixels of the original image, without boxes entirely in the padding."""
    boxes = letterbox.inverse(kept.boxes.cpu().numpy())
    inside = (boxes[:, 2:] > boxes[:, :2]).all(axis=1)
    return Detections(
        boxes=boxes[inside],
        scores=kept.scores.float().cpu().numpy()[inside],
        labels=kept.labels.cpu().numpy()[inside],
        best_score=kept.best_score,
        best_label=kept.best_label,
        candidates=candidates,
        limited=kept.limited,
    )
