"""Decoding of YOLOX's raw outputs."""

import math

import torch

from nets.heads.yolox_head import decode_yolox
from tests.nets.raw_outputs import YOLOX_CELL, yolox_raw


def test_decoding_by_hand():
    raw = yolox_raw()
    raw.boxes[0, YOLOX_CELL] = torch.tensor([0.5, -0.25, math.log(2), 0.0])
    raw.objectness[0, YOLOX_CELL], raw.classes[0, YOLOX_CELL, 0] = math.log(3), -math.log(3)
    boxes, scores = decode_yolox(raw)
    # Centre (2 + .5, 2 - .25) * 16 = (40, 28), size (2, 1) * 16: 24..56 and 20..36.
    torch.testing.assert_close(boxes[0, YOLOX_CELL], torch.tensor([24.0, 20.0, 56.0, 36.0]))
    torch.testing.assert_close(scores[0, YOLOX_CELL], torch.tensor([0.75 * 0.25, 0.75 * 0.5]))
