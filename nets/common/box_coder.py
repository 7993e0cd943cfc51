"""Encoding and decoding of boxes as offsets from anchors, the regression targets of the R-CNN family.

R-CNN, appendix C: https://arxiv.org/abs/1311.2524
"""

import math

import torch
from torch import Tensor

from nets.common.boxes import centre_to_corners

# Factors by which the centre offsets and the log sizes are multiplied in the regression targets.
Scales = tuple[float, float]
UNIT_SCALES: Scales = (1.0, 1.0)
VARIANCE_SCALES: Scales = (10.0, 5.0)  # used by SSD and by the second stage of Faster R-CNN

MAX_LOG_GROWTH = math.log(1000 / 16)  # limits decoded boxes to 62.5 times the anchor: exp stays finite


def encode_boxes(boxes: Tensor, anchors: Tensor, scales: Scales) -> Tensor:
    """Return the regression targets [..., 4] of boxes xyxy [..., 4] for anchors xyxy [..., 4]; broadcasts."""
    size, anchor_size = boxes[..., 2:] - boxes[..., :2], anchors[..., 2:] - anchors[..., :2]
    offset = (boxes[..., :2] + boxes[..., 2:] - anchors[..., :2] - anchors[..., 2:]) / 2
    return torch.cat((scales[0] * offset / anchor_size, scales[1] * (size / anchor_size).log()), dim=-1)


def decode_boxes(codes: Tensor, anchors: Tensor, scales: Scales) -> Tensor:
    """Return the boxes xyxy [..., 4] decoded from codes [..., 4] and anchors xyxy [..., 4]; broadcasts."""
    anchor_size = anchors[..., 2:] - anchors[..., :2]
    centre = (anchors[..., :2] + anchors[..., 2:]) / 2 + codes[..., :2] / scales[0] * anchor_size
    size = (codes[..., 2:] / scales[1]).clamp(max=MAX_LOG_GROWTH).exp() * anchor_size
    return centre_to_corners(centre, size)
