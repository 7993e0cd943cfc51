"""Decoding of the raw outputs of the anchor head."""

import math

import torch

from nets.heads.anchor_head import decode_anchors
from tests.nets.raw_outputs import anchor_index, anchor_raw


def test_decoding_by_hand():
    raw = anchor_raw(scale=1.2)
    at = anchor_index(0, 2, 1, 1)  # column 1, row 2 of stride 16, anchor 16 x 24
    raw.boxes[0, at] = torch.tensor([math.log(3), 0.0, math.log(2), -math.log(2)])
    raw.objectness[0, at], raw.classes[0, at, 0] = math.log(3), -math.log(3)
    boxes, scores = decode_anchors(raw)
    # Centre x: (1.2 * 3/4 - .1 + 1) * 16 = 28.8; y: (1.2 / 2 - .1 + 2) * 16 = 40. Size 32 x 12.
    torch.testing.assert_close(boxes[0, at], torch.tensor([12.8, 34.0, 44.8, 46.0]))
    torch.testing.assert_close(scores[0, at], torch.tensor([0.75 * 0.25, 0.75 * 0.5]))
