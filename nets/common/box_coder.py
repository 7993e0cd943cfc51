"""Boxes as offsets from anchors, as R-CNN and its descendants learn them.

R-CNN, appendix C: https://arxiv.org/abs/1311.2524
"""

import math

import torch
from torch import Tensor

from nets.common.boxes import centre_to_corners

# How much an offset of the centre and the log of a size count for; the losses see the products.
Scales = tuple[float, float]
PLAIN: Scales = (1.0, 1.0)
SCALED: Scales = (10.0, 5.0)  # one over the usual deviations: SSD's, and Faster R-CNN's second stage's

MOST_GROWTH = math.log(1000 / 16)  # a box is at most this much larger than its anchor: exp stays finite


def encode_boxes(boxes: Tensor, anchors: Tensor, scales: Scales) -> Tensor:
    """What a network should return for boxes xyxy [..., 4] at anchors xyxy [..., 4]; broadcasts."""
    size, anchor_size = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    moved = (boxes[..., :2] + boxes[..., 2:] - anchors[..., :2] - anchors[..., 2:]) / 2
    return torch.cat((scales[0] * moved / anchor_size, scales[1] * (size / anchor_size).log()), dim=-1)


def decode_boxes(codes: Tensor, anchors: Tensor, scales: Scales) -> Tensor:
    """Boxes xyxy [..., 4] for what a network returned at anchors xyxy [..., 4]; broadcasts."""
    anchor_size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + codes[..., :2] / scales[0] * anchor_size
    size = (codes[..., 2:] / scales[1]).clamp(max=MOST_GROWTH).exp() * anchor_size
    return centre_to_corners(centre, size)
