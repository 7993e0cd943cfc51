"""A detector made ready for inference: folded, in the number format that its convolutions run in."""

import copy

import torch
from torch import Tensor, nn

from nets.common.boxes import aligned_iou
from nets.common.detector import Detector
from nets.common.structures import Candidates
from nets.layers.fuse import fused
from utils.system.device import autocasting

WEIGHTED = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
COMPARED = 100  # of the best candidates, that 16-bit floats must leave about where and what they are
# yolox_nano of COCO in bfloat16: .96 to .98, and up to .13, which costs .003 of its AP; after one epoch from
# scratch .80 and .12.
LEAST_IOU, MOST_DIFFERENCE = 0.7, 0.25


def for_inference(detector: Detector, autocast: torch.dtype | None) -> Detector:
    """A copy of the detector that finds the same in less time: see `nets.layers.fuse`.

    autocast  what convolutions will run in: their weights are kept so, for autocast would convert them at
        every call
    """
    ready = fused(copy.deepcopy(detector))
    for module in ready.modules() if autocast is not None else ():
        if isinstance(module, WEIGHTED):
            module.to(autocast)
    return ready


@torch.inference_mode()
def is_accurate(exact: Detector, short: Detector, autocast: torch.dtype, size: tuple[int, int]) -> bool:
    """Whether 16-bit floats leave boxes and scores about as they are, on one image (height, width).

    exact, short  the same detector as `for_inference` makes it for float32, and for `autocast`
    """
    images = _image(size).to(exact.device)
    expected = exact.detect(images)
    with autocasting(short.device, autocast):
        found = short.detect(images)
    return _agree(expected, found)


def _agree(expected: Candidates, found: Candidates) -> bool:
    if expected.boxes.shape != found.boxes.shape:
        return True  # two stages: which candidates there are depends on the first one's last digits
    scores = expected.scores[0].amax(-1)
    best = scores.topk(min(COMPARED, len(scores))).indices
    iou = aligned_iou(expected.boxes[0, best], found.boxes[0, best]).median()
    difference = (expected.scores[0, best] - found.scores[0, best]).abs().max()
    return bool(iou >= LEAST_IOU and difference <= MOST_DIFFERENCE)  # false for NaN


def _image(size: tuple[int, int]) -> Tensor:
    """Coloured patches of 40 pixels, the same each time, uint8 [1, 3, H, W]."""
    rows, columns = (-(-side // 40) for side in size)
    generator = torch.Generator().manual_seed(0)
    patches = torch.randint(0, 256, (1, 3, rows, columns), dtype=torch.uint8, generator=generator)
    return patches.repeat_interleave(40, 2).repeat_interleave(40, 3)[:, :, : size[0], : size[1]].contiguous()
