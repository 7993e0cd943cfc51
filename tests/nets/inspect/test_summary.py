"""Parameters and operations compared with those published by papers, repositories and torchvision."""

from typing import NamedTuple

import pytest
import torch

from nets import ZOO, build_detector, preset
from nets.common.structures import Level
from nets.inspect.summary import summarise
from nets.layers.blocks import SPP, ConvBNAct
from nets.layers.gelan_blocks import RepConv

PUBLISHED = {  # millions of parameters, 1e9 operations at the size of the zoo
    "yolov3": (61.9, 65.9),
    "yolov3_tiny": (8.85, 5.6),
    "yolov4": (64.4, 128.5),
    "yolov4_tiny": (6.06, 6.9),
    "yolox_nano": (0.91, 1.08),
    "yolox_tiny": (5.06, 6.45),
    "yolox_s": (9.0, 26.8),
    "yolox_m": (25.3, 73.8),
    "yolox_l": (54.2, 155.6),
    "yolox_x": (99.1, 281.9),
    "yolov9_t": (2.0, 7.7),
    "yolov9_s": (7.1, 26.4),
    "yolov9_m": (20.0, 76.3),
    "yolov9_c": (25.3, 102.1),
    # torchvision counts multiply and add as one, and for ResNet no parameters of BatchNorm, 0.05 M.
    "ssd300_vgg16": (35.64, 2 * 34.858),
    "ssdlite320": (3.44, 2 * 0.583),
    "fasterrcnn": (41.76, 2 * 134.38),
    "retinanet": (34.01, 2 * 151.54),
    "fcos": (32.27, 2 * 128.207),
}
# Rows for classes that the figures go with: torchvision's detectors have 91, background among them or not.
CLASSES = dict.fromkeys(("ssd300_vgg16", "ssdlite320", "fasterrcnn"), 90) | dict.fromkeys(
    ("retinanet", "fcos"), 91
)
BATCH_NORM_COUNTS = (
    "ssdlite320",
)  # thin layers: normalising is 3 % of the work, and torchvision leaves it out
WITHOUT_NUMBERS = [name for name in PUBLISHED if name != "fasterrcnn"]


def test_every_model_has_a_published_figure():
    assert PUBLISHED.keys() == ZOO.keys()


@pytest.mark.parametrize("name", WITHOUT_NUMBERS)
def test_size_and_work_are_as_published(name):
    with torch.device("meta"):
        detector = build_detector(name, CLASSES.get(name, 80))
        if name.startswith("yolov9"):
            deploy(detector)
    found = summarise(detector, preset(name).image_size)
    millions, gflops = PUBLISHED[name]
    assert sum(found.parameters.values()) / 1e6 == pytest.approx(millions, rel=0.01)
    off = 0.04 if name in BATCH_NORM_COUNTS else 0.01
    assert sum(found.gflops.values()) == pytest.approx(gflops, rel=off)


def test_work_of_two_stages_is_as_published():
    """Counted on a small image; at 800 pixels there are as many more cells, and 1000 proposals."""
    torch.manual_seed(0)
    detector = build_detector("fasterrcnn", CLASSES["fasterrcnn"])
    small = 128
    found = summarise(detector, (small, small))
    proposals = detector.eval()(torch.zeros(1, 3, small, small, dtype=torch.uint8)).proposals.shape[1]
    of_proposal = 2 * 1024 * (256 * 7 * 7 + 1024 + 91 * 5) / 1e9
    of_cells = sum(found.gflops.values()) - proposals * of_proposal
    millions, gflops = PUBLISHED["fasterrcnn"]
    assert sum(found.parameters.values()) / 1e6 == pytest.approx(millions, rel=0.01)
    assert of_cells * (800 / small) ** 2 + 1000 * of_proposal == pytest.approx(gflops, rel=0.01)


def deploy(module):
    """Replace each convolution with BatchNorm, and both of a RepConv, by one convolution with a bias.

    YOLOv9's figures are published for this form, used in inference.
    """
    for name, child in module.named_children():
        layer = child.spatial if isinstance(child, RepConv) else child
        if isinstance(layer, ConvBNAct):
            old = layer.conv
            sizes = old.kernel_size, old.stride, old.padding, old.dilation, old.groups
            setattr(module, name, torch.nn.Conv2d(old.in_channels, old.out_channels, *sizes))
        else:
            deploy(child)


@pytest.mark.parametrize("name", [name for name in PUBLISHED if name.startswith("yolov9")])
def test_training_takes_a_little_more_than_is_published(name):
    with torch.device("meta"):
        found = summarise(build_detector(name, 80), preset(name).image_size)
    millions, gflops = PUBLISHED[name]
    assert 1.005 * millions < sum(found.parameters.values()) / 1e6 < 1.024 * millions
    assert 1.005 * gflops < sum(found.gflops.values()) < 1.024 * gflops


def test_counting_with_numbers_and_without_agrees_and_changes_nothing():
    torch.manual_seed(0)
    detector = build_detector("yolox_nano", 3).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    found = summarise(detector, (64, 96))
    with torch.device("meta"):
        assert summarise(build_detector("yolox_nano", 3), (64, 96)) == found
    assert detector.training and not any(module._forward_hooks for module in detector.modules())
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())


def test_stem_by_hand():
    """The stem of nano: Focus gives 12 channels at half the size, a 3 x 3 convolution makes 16 of them.

    64 x 64 -> 32 x 32 cells; 2 * 12 * 16 * 9 operations a cell, and 4 * 16 for BatchNorm.
    """
    detector = build_detector("yolox_nano", 3)
    detector.backbone = _Part(detector.backbone.stem)
    detector.neck, detector.head = _Part(None), _Head()
    found = summarise(detector, (64, 64))
    assert found.parameters == {"backbone": 12 * 16 * 9 + 2 * 16, "neck": 0, "head": 0}
    assert found.gflops["backbone"] * 1e9 == pytest.approx(32 * 32 * (2 * 12 * 16 * 9 + 4 * 16))
    assert found.layers == {"backbone": 1, "neck": 0, "head": 0}
    # Convolution, BatchNorm and SiLU each give 16 channels of 32 x 32 numbers of 4 bytes; then they pass on.
    output = 16 * 32 * 32 * 4
    assert found.activation_bytes == {"backbone": 3 * output, "neck": output, "head": output}
    assert found.levels == ()


def test_layers_and_levels():
    """Darknet-53 without its classifier has 52 convolutions; ours has the last of each level in three."""
    with torch.device("meta"):
        found = summarise(build_detector("yolov3", 80), (320, 416))
    assert found.layers == {"backbone": 52, "neck": 3 * 5 + 2, "head": 3 * (1 + 3)}
    assert found.levels == (Level(40, 52, 8), Level(20, 26, 16), Level(10, 13, 32))


def test_outputs_are_counted_each_time_a_module_is_called():
    """The one pool of SPP, called three times: three outputs, beside three of each of its two blocks."""
    detector = build_detector("yolox_nano", 3)
    detector.backbone, detector.neck = _Part(detector.backbone.stem), _Part(SPP(16, 8))
    detector.head = _Head()
    found = summarise(detector, (64, 64))
    assert found.activation_bytes["neck"] == 4 * 32 * 32 * (3 * 8 + 3 * 8 + 3 * 8)


class _Part(torch.nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x if self.inner is None else self.inner(x)


class _Head(torch.nn.Module):
    """Returns the features themselves, not laid out by levels."""

    def forward(self, x):
        return _Raw(x)


class _Raw(NamedTuple):
    features: torch.Tensor
    levels: tuple[Level, ...] = ()
