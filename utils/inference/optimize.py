"""Prepares a detector for inference: BatchNorm fused, weights in the number format of the convolutions."""

import copy

import torch
from torch import Tensor, nn

from nets.common.boxes import aligned_iou
from nets.common.detector import Detector
from nets.common.structures import Candidates
from nets.layers.fuse import fused
from utils.data.types import Size
from utils.system.device import autocasting

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
CANDIDATES_COMPARED = 100  # the highest-scoring ones
# Minimum median IoU and maximum score difference between 16-bit floats and float32. In bfloat16, yolox_nano
# trained on COCO has .96 to .98 and up to .13, at a cost of .003 AP; after an epoch from scratch .80 and .12.
MIN_IOU, MAX_SCORE_DIFFERENCE = 0.7, 0.25


def for_inference(detector: Detector, autocast: torch.dtype | None) -> Detector:
    """Return a faster copy of the detector with the same detections: see `nets.layers.fuse`.

    autocast  number format of the convolutions; their weights are converted once here, not at every call
    """
    prepared = fused(copy.deepcopy(detector))
    if autocast is not None:
        for module in prepared.modules():
            if isinstance(module, WEIGHTED):
                module.to(autocast)
    return prepared


@torch.inference_mode()
def is_accurate(exact: Detector, reduced: Detector, autocast: torch.dtype, size: Size) -> bool:
    """Return whether boxes and scores are about the same in 16-bit floats, on a synthetic image of `size`.

    exact, reduced  the same detector, prepared by `for_inference` for float32 and for `autocast`
    """
    images = _test_image(size).to(exact.device)
    expected = exact.detect(images)
    with autocasting(reduced.device, autocast):
        found = reduced.detect(images)
    return _agree(expected, found)


def _agree(expected: Candidates, found: Candidates) -> bool:
    if expected.boxes.shape != found.boxes.shape:
        return True  # two-stage detectors: rounding decides which candidates the first stage passes on
    scores = expected.scores[0].amax(-1)
    best = scores.topk(min(CANDIDATES_COMPARED, len(scores))).indices
    iou = aligned_iou(expected.boxes[0, best], found.boxes[0, best]).median()
    difference = (expected.scores[0, best] - found.scores[0, best]).abs().max()
    return bool(iou >= MIN_IOU and difference <= MAX_SCORE_DIFFERENCE)  # false for NaN


def _test_image(size: Size) -> Tensor:
    """Return an image of random coloured patches of 40 pixels, always the same, uint8 [1, 3, H, W]."""
    rows, columns = (-(-side // 40) for side in size)
    generator = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 256, (1, 3, rows, columns), dtype=torch.uint8, generator=generator)
    return patches.repeat_interleave(40, 2).repeat_interleave(40, 3)[:, :, : size[0], : size[1]].contiguous()
