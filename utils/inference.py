"""From pixels to detections: network, decoding, NMS, and back to the original image.

Evaluation in training, get_map, predict and video all come through `detect_batch`.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn
from tqdm import tqdm

from nets.detector import Detector
from nets.pixels import PixelFormat
from nets.structures import Decoded, Targets
from utils.batch import Batch
from utils.detections import Detections
from utils.evaluation_dataset import EvaluationDataset
from utils.index import DatasetIndex
from utils.letterbox import Letterbox
from utils.loader import evaluation_loader
from utils.nms import Kept, nms
from utils.processes import Processes
from utils.stopwatch import Stopwatch
from utils.variation import Variation, vary_there


class Detects(Protocol):
    """What detects: a `Detector`, or a model that was exported.

    pixels  what it expects of pixels: how pictures are padded
    stride  what the sides of its input must be multiples of
    device  where images go
    """

    @property
    def pixels(self) -> PixelFormat: ...

    @property
    def stride(self) -> int: ...

    @property
    def device(self) -> torch.device: ...

    def detect(self, images: Tensor) -> Decoded:
        """uint8 RGB [B, 3, H, W] -> boxes and scores before NMS."""
        ...


@dataclass(frozen=True)
class DetectSettings:
    """What decides which candidates become detections; these defaults are for evaluation.

    rectangular   whether batches are cut to the shapes of their pictures
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
    detector: Detects,
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
def find_candidates(detector: Detects, images: Tensor, autocast: torch.dtype | None) -> Decoded:
    """Boxes and scores before NMS, on the input, of uint8 RGB images [B, 3, H, W]."""
    if isinstance(detector, nn.Module):
        detector.eval()
    with autocasting(images.device, autocast):
        return detector.detect(images)


@torch.inference_mode()
def select_detections(
    decoded: Decoded, letterboxes: Sequence[Letterbox], settings: DetectSettings
) -> list[Detections]:
    """Detections in the original images' pixels, of candidates on inputs that lie as `letterboxes` says."""
    found = nms(
        decoded, settings.confidence, settings.nms_iou, settings.max_detections, settings.agnostic_nms
    )
    candidates = decoded.scores.shape[1]
    return [_to_image(kept, plan, candidates) for kept, plan in zip(found, letterboxes, strict=True)]


def _to_image(kept: Kept, letterbox: Letterbox, candidates: int) -> Detections:
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


class DatasetDetections(NamedTuple):
    """What was found on each image of a data set, in its order, and which files could not be read.

    losses  mean losses by component, if they were asked for
    watch   the time of loading (as far as it was waited for), of the network and of NMS
    """

    detections: list[Detections]
    skipped: list[str]
    losses: dict[str, float]
    watch: Stopwatch


@torch.inference_mode()
def detect_dataset(
    detector: Detects,
    index: DatasetIndex,
    image_size: tuple[int, int],
    batch_size: int,
    workers: int,
    settings: DetectSettings,
    with_losses: bool = False,
    processes: Processes | None = None,
) -> DatasetDetections:
    """Detect on every image of a data set, letterboxed to `image_size` (height, width), in batches.

    With several processes each detects on its share of the images, and all get the whole.
    """
    processes = processes or Processes()
    device = detector.device
    pixels = detector.pixels
    stride = detector.stride if settings.rectangular else None
    dataset = EvaluationDataset(index, image_size, pixels.pad_value, pixels.pad_centred, stride)
    pinned = device.type == "cuda"
    loader = evaluation_loader(dataset, batch_size, workers, pinned, processes.rank, processes.size)
    found: dict[int, Detections] = {}
    skipped: list[str] = []
    sums: dict[str, Tensor] = {}
    watch = Stopwatch("loading", device=device)
    hidden = None if processes.first else True
    batches = iter(tqdm(loader, desc="detecting", leave=False, dynamic_ncols=True, disable=hidden))
    while True:
        with watch.timed("loading"):
            if (batch := next(batches, None)) is None:
                break
            images, targets = to_device(batch, device)
        detections = detect_batch(detector, images, batch.letterboxes, settings, watch)
        found |= zip(batch.indices.tolist(), detections, strict=True)
        skipped += batch.skipped
        if with_losses:
            assert isinstance(detector, Detector)
            with autocasting(device, settings.autocast):
                losses = detector.losses(images, targets)
            sums = {name: sums.get(name, 0) + loss * len(images) for name, loss in losses.items()}
    here = found, skipped, {name: float(value) for name, value in sums.items()}
    shares = processes.gather(here)
    found = {image: detections for share, _, _ in shares for image, detections in share.items()}
    skipped = [path for _, share, _ in shares for path in share]
    totals = [share for _, _, share in shares if share]  # a process may have had no image
    means = {name: sum(share[name] for share in totals) / len(index) for name in (totals or [{}])[0]}
    return DatasetDetections([found[image] for image in range(len(index))], skipped, means, watch)


def to_device(batch: Batch, device: torch.device) -> tuple[Tensor, Targets]:
    """Images and targets of a batch by copies that the device need not wait for, varied as is still to do."""
    targets = Targets(*(value.to(device, non_blocking=True) for value in batch.targets))
    images = batch.images.to(device, non_blocking=True)
    if batch.variation is not None:
        variation = Variation(*(value.to(device, non_blocking=True) for value in batch.variation))
        images = vary_there(images, variation)
    return images, targets


def autocasting(device: torch.device, dtype: torch.dtype | None) -> torch.autocast:
    """The context in which convolutions run in `dtype`; None leaves them in float32."""
    return torch.autocast(device.type, dtype, enabled=dtype is not None)
