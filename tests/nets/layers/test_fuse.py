"""A fused detector gives the same detections with fewer layers."""

import copy

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from nets import ZOO, build, build_detector, preset
from nets.layers.fuse import fused
from nets.layers.gelan_blocks import RepConv
from tests.nets.batches import random_images
from tests.nets.published.torchvision_models import shortened

SMALL = ("yolox_nano", "yolov3_tiny", "yolov4_tiny", "yolov9_t", "ssdlite320", "fcos")
FOLDED = (nn.BatchNorm2d, FrozenBatchNorm2d)


def lived_in(detector, seed=0):
    """Set BatchNorm statistics, scales and shifts as after training, rather than 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    for module in detector.modules():
        if isinstance(module, FOLDED):
            for value, low, high in (
                (module.running_mean, -0.1, 0.1),
                (module.running_var, 0.7, 1.4),
                (module.weight.data, 0.7, 1.4),
                (module.bias.data, -0.1, 0.1),
            ):
                value.uniform_(low, high, generator=generator)
    return detector.eval()


@pytest.mark.parametrize("name", SMALL)
def test_the_zoo_finds_the_same(name):
    torch.manual_seed(0)
    detector = lived_in(shortened(build_detector(name, 3)))
    side = max(64, preset(name).smallest)
    images = random_images(2, side, side)
    with torch.inference_mode():
        expected = detector.detect(images)
        found = fused(copy.deepcopy(detector)).detect(images)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-3, atol=1e-5)
    torch.testing.assert_close(found.boxes, expected.boxes, rtol=1e-3, atol=0.02)


@pytest.mark.parametrize("name", [name for name in ZOO if name != "fasterrcnn"])
def test_no_batchnorm_is_left(name):
    with torch.device("meta"):
        detector = fused(build_detector(name, 3))
    assert not [module for module in detector.modules() if isinstance(module, FOLDED)]
    assert not [module for module in detector.modules() if isinstance(module, RepConv)]


def test_a_backbone_of_timm():
    pytest.importorskip("timm")
    torch.manual_seed(0)
    detector = lived_in(build(preset("yolox_nano", backbone="timm:resnet18"), 3))
    images = random_images(1, 64, 64)
    with torch.inference_mode():
        expected = detector.detect(images)
        found = fused(copy.deepcopy(detector)).detect(images)
    torch.testing.assert_close(found.scores, expected.scores, rtol=1e-3, atol=1e-5)


def test_a_batchnorm_of_something_else_stays():
    class Apart(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv, self.act, self.bn = nn.Conv2d(2, 4, 1), nn.ReLU(), nn.BatchNorm2d(4)
            self.other, self.wide = nn.Conv2d(4, 3, 1), nn.BatchNorm2d(4)

        def forward(self, x):
            return self.other(self.wide(self.bn(self.act(self.conv(x)))))

    model = fused(Apart())
    assert isinstance(model.bn, nn.BatchNorm2d) and isinstance(model.wide, nn.BatchNorm2d)


def test_by_hand():
    """Weight 2, BatchNorm with mean 3, variance 4 (less eps), scale 5, shift 7: 5 (2x - 3) / 2 + 7."""
    conv, norm = nn.Conv2d(1, 1, 1, bias=False), nn.BatchNorm2d(1, eps=0.5)
    conv.weight.data.fill_(2)
    norm.running_mean.fill_(3)
    norm.running_var.fill_(3.5)
    norm.weight.data.fill_(5)
    norm.bias.data.fill_(7)
    model = fused(nn.Sequential(conv, norm))
    assert model[0].weight.item() == pytest.approx(5) and model[0].bias.item() == pytest.approx(-0.5)
    assert isinstance(model[1], nn.Identity)
