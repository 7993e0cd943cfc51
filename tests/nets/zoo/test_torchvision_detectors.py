"""torchvision's detectors in our form: sizes, pixel formats, data types, initialisation, and training."""

import copy

import pytest
import torch
from torch import nn

from nets import ZOO, build_detector, preset
from tests.nets.batches import random_images, targets
from tests.nets.published.torchvision_models import BUILDERS, shortened

FIXED = [name for name, entry in ZOO.items() if entry.builder is not None]
LIGHT = ("ssdlite320", "fasterrcnn", "retinanet", "fcos")
OBJECTS = targets(
    [(0, (6.0, 10.0, 40.0, 44.0)), (2, (30.0, 20.0, 62.0, 60.0))], [(1, (0.0, 0.0, 50.0, 30.0))]
)


@pytest.fixture(scope="module", params=LIGHT)
def name(request):
    return request.param


@pytest.fixture(scope="module")
def detector(name):
    torch.manual_seed(0)
    return shortened(build_detector(name, 3))


def test_a_few_steps_on_a_batch_reduce_its_loss(detector):
    detector, images = copy.deepcopy(detector).train(), random_images(2, 64, 64)
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    losses = []
    for _ in range(8):
        optimizer.zero_grad()
        loss = sum(detector.losses(images, OBJECTS).values())
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-2:]) < 0.75 * sum(losses[:2]), losses


def test_in_16_bits_boxes_and_losses_are_in_32(detector):
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        found = detector.eval().detect(random_images(1, 64, 64))
        losses = detector.losses(random_images(2, 64, 64), OBJECTS)
    assert found.boxes.dtype == found.scores.dtype == torch.float32
    assert all(loss.dtype == torch.float32 and loss.isfinite() for loss in losses.values())
    assert not torch.equal(found.boxes, found.boxes.bfloat16().float()), (
        "computed in 32 bits, not only stored"
    )


def test_batchnorm_is_plain_and_every_parameter_trains(name):
    with torch.device("meta"):
        detector = build_detector(name, 3)
    kinds = {type(module) for module in detector.modules() if "BatchNorm" in type(module).__name__}
    assert kinds == {nn.BatchNorm2d}
    assert all(parameter.requires_grad for parameter in detector.parameters())


@pytest.mark.parametrize("name", FIXED)
def test_the_backbone_gives_levels_of_its_strides(name):
    with torch.device("meta"):
        backbone = build_detector(name, 3).backbone
        levels = backbone(torch.empty(2, 3, 320, 384))
    assert [level.shape[2:] for level in levels] == [(320 // s, 384 // s) for s in backbone.strides]
    assert getattr(backbone, "channels", None) in (None, tuple(level.shape[1] for level in levels))


@pytest.mark.parametrize("name", FIXED)
def test_nothing_is_downloaded(name, monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a network is built from fresh weights")

    monkeypatch.setattr("torch.hub.load_state_dict_from_url", refuse)
    monkeypatch.setattr("torchvision.models._api.load_state_dict_from_url", refuse)
    with torch.device("meta"):
        build_detector(name, 3)


def test_ssd300_takes_any_size_from_268_pixels_on():
    """Below, its coarsest level has no cell."""
    with torch.device("meta"):
        detector = build_detector("ssd300_vgg16", 3)
        for height, width in ((268, 300), (300, 300), (416, 320), (333, 511)):
            raw = detector(torch.empty(1, 3, height, width, dtype=torch.uint8))
            assert raw.size == (height, width) and raw.boxes.shape[1] == len(raw.anchors)
        with pytest.raises(RuntimeError, match="Kernel size"):
            detector(torch.empty(1, 3, 267, 300, dtype=torch.uint8))
    assert ZOO["ssd300_vgg16"].smallest == 268


def test_ssdlite_finds_in_evaluation_what_it_learned_in_training():
    """BatchNorm's averages fit from the start: features are as wide in evaluation as in training."""
    torch.manual_seed(0)
    detector, images = build_detector("ssdlite320", 3), random_images(4, 128, 128)
    with torch.no_grad():
        trained = detector.train().backbone(images / 127.5 - 1)
        evaluated = detector.eval().backbone(images / 127.5 - 1)
    for first, second in zip(trained, evaluated, strict=True):
        assert 0.3 < (second.std() / first.std()).item() < 3


def test_pixels_are_torchvisions():
    """Its own normalisation, as its transform applies it to pixels from 0 to 1."""
    for name in FIXED:
        pixels = ZOO[name].pixels
        with torch.device("meta"):
            transform = BUILDERS[name]().transform
        assert pixels.scale == 1 / 255 and pixels.channels == "rgb"
        assert [*pixels.mean] == transform.image_mean, name
        assert [*pixels.std] == transform.image_std, name


@pytest.mark.parametrize("name", ["ssd300_vgg16", "ssdlite320"])
def test_the_smallest_default_box_is_as_said(name):
    detector, design = build_detector(name, 3).eval(), preset(name)
    with torch.no_grad():
        anchors = detector(torch.zeros(1, 3, *design.image_size, dtype=torch.uint8)).anchors
    squares = (anchors[:, 2:] - anchors[:, :2]).amax(dim=1)
    assert squares.min().item() == pytest.approx(design.smallest_box * design.image_size[0], rel=1e-4)
