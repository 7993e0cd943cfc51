"""Anchors and default boxes compared with torchvision's."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList

from nets import build_detector
from nets.heads.anchors import anchor_grid, box_shares, default_boxes


def maps(size, strides):
    """Feature maps of an image of `size`, with sizes rounded up."""
    return [torch.zeros(2, 1, -(-size[0] // stride), -(-size[1] // stride)) for stride in strides]


def theirs(generator, features, size):
    images = ImageList(torch.zeros(2, 3, *size), [size, size])
    return generator(images, features)[0]


@pytest.mark.parametrize("size", [(64, 64), (416, 320), (800, 1088)])
def test_anchors_are_torchvisions(size):
    generator = AnchorGenerator(((32, 40), (64, 80), (101, 103)), ((0.5, 1.0, 2.0),) * 3)
    features = maps(size, (8, 32, 64))
    halves = [cell[:, 2:].tolist() for cell in generator.cell_anchors]
    assert torch.equal(anchor_grid(features, size, halves), theirs(generator, features, size))


def test_anchors_by_hand():
    # Two rows and one column of 8 pixels; anchors of 4 x 6 and of 10 x 2 around the upper left corners.
    found = anchor_grid([torch.zeros(1, 1, 2, 1)], (16, 8), [[(2.0, 3.0), (5.0, 1.0)]])
    assert found.tolist() == [[-2, -3, 2, 3], [-5, -1, 5, 1], [-2, 5, 2, 11], [-5, 7, 5, 9]]


def test_ssd_lays_torchvisions_boxes_at_its_size():
    ratios = [[2], [2, 3], [2, 3], [2, 3], [2], [2]]
    scales = [0.07, 0.15, 0.33, 0.51, 0.69, 0.87, 1.05]
    generator = DefaultBoxGenerator(ratios, scales=scales, steps=[8, 16, 32, 64, 100, 300])
    features = [torch.zeros(2, 1, cells, cells) for cells in (38, 19, 10, 5, 3, 1)]
    expected = theirs(generator, features, (300, 300))
    found = default_boxes(features, (300, 300), box_shares(scales, ratios), (8, 16, 32, 64, None, None))
    torch.testing.assert_close(found, expected, rtol=0, atol=1e-3)
    with torch.device("meta"):
        detector = build_detector("ssd300_vgg16", 3)
    make_anchors = detector.head.make_anchors
    torch.testing.assert_close(make_anchors(features, (300, 300)), expected, rtol=0, atol=1e-3)
    # At other sizes the two coarsest levels scale: torchvision's steps would leave the image.
    features = [torch.zeros(2, 1, cells, cells) for cells in (52, 26, 13, 7, 5, 3)]
    centres = make_anchors(features, (416, 416))[-4:]
    assert ((centres[:, :2] + centres[:, 2:]) / 2).tolist() == [pytest.approx([416 * 5 / 6] * 2)] * 4


@pytest.mark.parametrize("size", [(320, 320), (416, 224)])
def test_ssdlite_lays_torchvisions_boxes(size):
    generator = DefaultBoxGenerator([[2, 3]] * 6, min_ratio=0.2, max_ratio=0.95)
    with torch.device("meta"):
        detector = build_detector("ssdlite320", 3)
    features = maps(size, (16, 32, 64, 128, 256, 512))
    found = detector.head.make_anchors(features, size)
    torch.testing.assert_close(found, theirs(generator, features, size), rtol=0, atol=1e-3)
