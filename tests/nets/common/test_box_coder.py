"""Box codes compared with torchvision's, and by hand."""

import math

import pytest
import torch
from torchvision.models.detection._utils import BoxCoder

from nets.common.box_coder import UNIT_SCALES, VARIANCE_SCALES, decode_boxes, encode_boxes


def test_by_hand():
    anchor = torch.tensor([10.0, 10.0, 30.0, 50.0])  # centre (20, 30), 20 x 40
    box = torch.tensor([15.0, 30.0, 55.0, 50.0])  # centre (35, 40), 40 x 20
    code = torch.tensor([15 / 20, 10 / 40, math.log(2), math.log(1 / 2)])
    torch.testing.assert_close(encode_boxes(box, anchor, UNIT_SCALES), code)
    torch.testing.assert_close(
        encode_boxes(box, anchor, VARIANCE_SCALES), code * torch.tensor([10, 10, 5, 5])
    )
    torch.testing.assert_close(decode_boxes(code, anchor, UNIT_SCALES), box)


@pytest.mark.parametrize(
    ("scales", "weights"), [(UNIT_SCALES, (1, 1, 1, 1)), (VARIANCE_SCALES, (10, 10, 5, 5))]
)
def test_as_torchvision(scales, weights):
    generator = torch.Generator().manual_seed(0)
    anchors, boxes = (torch.rand(50, 4, generator=generator) * 100 for _ in range(2))
    anchors[:, 2:] += anchors[:, :2] + 4
    boxes[:, 2:] += boxes[:, :2] + 4
    codes = torch.randn(2, 50, 4, generator=generator) * 5
    coder = BoxCoder(weights)
    torch.testing.assert_close(
        encode_boxes(boxes, anchors, scales), coder.encode_single(boxes, anchors), rtol=1e-5, atol=1e-4
    )
    expected = torch.stack([coder.decode_single(code, anchors) for code in codes])
    torch.testing.assert_close(decode_boxes(codes, anchors, scales), expected, rtol=1e-5, atol=1e-3)
    torch.testing.assert_close(
        decode_boxes(encode_boxes(boxes, anchors, scales), anchors, scales), boxes, rtol=1e-4, atol=1e-3
    )


def test_a_wild_code_stays_finite():
    box = decode_boxes(torch.tensor([0.0, 0.0, 1e4, 1e4]), torch.tensor([0.0, 0.0, 16.0, 16.0]), UNIT_SCALES)
    torch.testing.assert_close(box, torch.tensor([-492.0, -492.0, 508.0, 508.0]))  # 62.5 times as wide
