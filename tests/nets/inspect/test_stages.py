"""The stages of detectors: complete, and in the order of computation."""

import pytest
import torch
from torch import nn

from nets import ZOO, build, build_detector
from nets.inspect.stages import parts_as_stages, stages_of
from tests.nets.batches import random_images


def names_of(detector):
    return [stage.name for stage in stages_of(detector) if stage.number]


def ids(parameters):
    return sorted(map(id, parameters))


@pytest.mark.parametrize("name", ZOO)
def test_every_parameter_is_in_one_stage_and_in_one_part(name):
    with torch.device("meta"):
        detector = build(ZOO[name], 2)
    for stages in (stages_of(detector), parts_as_stages(detector)):
        assert ids(p for stage in stages for p in stage.parameters) == ids(detector.parameters())
    stages = stages_of(detector)
    assert [stage.number for stage in stages] == [*range(1, len(stages) - 1), 0, 0]
    assert [stage.part for stage in stages[-3:]] == ["backbone", "neck", "head"]
    of_backbone = [module for stage in stages[:-2] for module in stage.modules]
    statistics = ids(buffer for module in of_backbone for buffer in module.buffers())
    assert statistics == ids(detector.backbone.buffers())


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("yolox_nano", ["stem", "stage1", "stage2", "stage3", "stage4"]),
        ("yolov3", ["stem", "stage1", "stage2", "stage3", "stage4", "stage5"]),
        ("yolov4_tiny", ["stem", "stage1", "stage2", "stage3", "last"]),
        ("yolov3_tiny", [f"convs.{number}" for number in range(7)]),  # a list that holds all of them
        ("fcos", ["body.conv1", "body.layer1", "body.layer2", "body.layer3", "body.layer4"]),  # a wrapper
        ("ssdlite320", ["blocks.0", "blocks.1"]),
    ],
)
def test_stages_by_hand(name, expected):
    with torch.device("meta"):
        assert names_of(build(ZOO[name], 2)) == [f"backbone.{stage}" for stage in expected]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("resnet18", ["conv1", "layer1", "layer2", "layer3", "layer4"]),
        ("convnext_tiny", ["stem_0", "stages_0", "stages_1", "stages_2", "stages_3"]),
        ("mobilenetv3_large_100", ["conv_stem", *(f"blocks.{number}" for number in range(7))]),
    ],
)
def test_stages_of_timms_networks(name, expected):
    pytest.importorskip("timm")
    with torch.device("meta"):
        detector = build_detector("yolox_nano", 2, backbone=f"timm:{name}", head="yolox", neck="pafpn_s")
    assert names_of(detector) == [f"backbone.model.{stage}" for stage in expected]


@pytest.mark.parametrize("name", ["yolox_nano", "yolov3_tiny", "yolov4_tiny", "yolov9_t", "ssdlite320"])
def test_stages_are_in_the_order_of_the_work(name):
    detector = build(ZOO[name], 2).eval()
    order = []
    for stage in stages_of(detector)[:-2]:
        for module in stage.modules:
            layer = next((m for m in module.modules() if isinstance(m, nn.Conv2d)), None)
            if layer is not None:
                layer.register_forward_hook(lambda *_, number=stage.number: order.append(number))
    with torch.no_grad():
        detector(random_images(1, 64, 64))
    assert order == sorted(order) and len({*order}) == len(stages_of(detector)) - 2


class Odd(nn.Module):
    """A parameter of its own, a norm before everything, a norm after a stage, and a dropout."""

    channels, strides = (4, 8), (16, 32)

    def __init__(self):
        super().__init__()
        self.shift = nn.Parameter(torch.zeros(1, 3, 1, 1))
        self.before = nn.BatchNorm2d(3, affine=False)
        self.first = nn.Conv2d(3, 4, 1)
        self.after = nn.BatchNorm2d(4)
        self.drop = nn.Dropout(0.5)
        self.groups = nn.ModuleList([nn.Sequential(nn.Conv2d(4, 8, 1)), nn.Sequential(nn.Conv2d(8, 8, 1))])


def test_what_has_no_kernels_goes_with_what_comes_before():
    detector = build_detector("yolox_nano", 2)
    odd = detector.backbone = Odd()
    first, second, third, *_ = stages_of(detector)
    assert first.modules == (odd.before, odd.first, odd.after, odd.drop) and first.name == "backbone.first"
    assert ids(first.parameters) == ids([odd.shift, *odd.first.parameters(), *odd.after.parameters()])
    assert (second.modules, third.modules) == ((odd.groups[0],), (odd.groups[1],))


def test_a_backbone_of_one_layer_is_one_stage():
    detector = build_detector("yolox_nano", 2)
    detector.backbone = nn.Sequential(nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4)))
    stages = stages_of(detector)
    assert [stage.number for stage in stages] == [1, 0, 0]
    assert ids(stages[0].parameters) == ids(detector.backbone.parameters())
