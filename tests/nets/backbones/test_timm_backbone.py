"""timm's networks as backbones: levels, pixels, weights, and networks that do not fit."""

import sys

import pytest
import torch

from nets import build, build_detector, parts_of, preset, strides_of
from nets.backbones.timm_backbone import TimmBackbone, from_timm
from nets.common.preprocess import PixelFormat
from tests.nets.batches import random_images, targets
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import read_weights

timm = pytest.importorskip("timm")

CHANNELS = {
    "resnet18": (128, 256, 512),
    "mobilenetv3_small_050": (16, 24, 288),
    "convnext_atto": (80, 160, 320),
}


@pytest.mark.parametrize("name", CHANNELS)
def test_levels_are_those_of_strides_8_16_and_32(name):
    with torch.device("meta"):
        backbone = TimmBackbone(name)
        levels = backbone(torch.empty(2, 3, 96, 160))
    assert (backbone.strides, backbone.channels) == ((8, 16, 32), CHANNELS[name])
    assert [level.shape for level in levels] == [
        (2, channels, 96 // stride, 160 // stride)
        for channels, stride in zip(CHANNELS[name], (8, 16, 32), strict=True)
    ]


@pytest.mark.parametrize("name", CHANNELS)
def test_in_a_detector_it_learns(name):
    torch.manual_seed(0)
    detector = build_detector("yolox_nano", 3, backbone=f"timm:{name}").train()
    losses = detector.losses(random_images(2, 64, 64), targets([(1, (8.0, 8.0, 40.0, 24.0))], []))
    sum(losses.values()).backward()
    first = next(detector.backbone.parameters())
    assert first.grad.isfinite().all() and first.grad.any()
    assert detector.eval().detect(random_images(1, 64, 96)).scores.shape == (1, 96 + 24 + 6, 3)


def test_the_preset_takes_its_pixels_and_comes_back_from_plain_data():
    model = preset("yolox_s", backbone="timm:resnet18")
    assert model.pixels == PixelFormat(
        "rgb", 1 / 255, (0.485, 0.456, 0.406), (0.229, 0.224, 0.225), pad_value=114, pad_centred=False
    )
    assert preset("yolov3", backbone="timm:tf_efficientnetv2_b0").pixels.pad_centred
    assert preset("yolox_s", backbone="timm:test_resnet").pixels.mean == (0.5, 0.5, 0.5)
    assert preset("yolox_s", **parts_of(model)) == model and strides_of(model) == (8, 16, 32)


@pytest.mark.parametrize("name", CHANNELS)
def test_weights_of_the_whole_network_load(name, tmp_path):
    """As saved from timm, with a classifier that is not used."""
    torch.manual_seed(1)
    whole = timm.create_model(name).eval()
    torch.save(whole.state_dict(), tmp_path / "timm.pth")
    model = preset("yolox_nano", backbone=f"timm:{name}")
    torch.manual_seed(2)
    detector = build(model, 2).eval()
    report = load_weights(detector, read_weights(tmp_path / "timm.pth"), model, ("a", "b"))
    backbone = report.parts["backbone"]
    assert len(backbone.loaded) == backbone.tensors and not report.by_order
    assert report.parts["head"].loaded == () and 2 <= len(report.unused) <= 6
    images = torch.randn(1, 3, 64, 64)
    with torch.no_grad():
        coarsest = detector.backbone(images)[-1]
        assert coarsest.std() > 0
        torch.testing.assert_close(coarsest, whole.forward_features(images))


def test_names_that_timm_flattens():
    ours = ["backbone.model.stages_0.blocks.1.norm.weight", "neck.stages_0.weight"]
    state = {"stages.0.blocks.1.norm.weight": torch.zeros(1), "stages.9.weight": torch.ones(1)}
    assert from_timm(state, ours) == {ours[0]: state["stages.0.blocks.1.norm.weight"], "stages.9.weight": 1}


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("resnet1", "timm has no network of this name; similar names: .*resnet18"),
        ("zzzz", r"timm\.list_models\(\) in Python"),
        ("vit_tiny_patch16_224", r"not give feature levels for images of any size \(.*224.*timm:resnet18"),
        (
            "inception_v3",
            "of an image of 256x320 have 125x157, .* a neck needs feature levels of strides 8, 16, 32",
        ),
    ],
)
def test_networks_that_do_not_fit_are_refused(name, message):
    with pytest.raises(ValueError, match=f"^--backbone timm:{name}: .*{message}"):
        preset("yolox_s", backbone=f"timm:{name}")


def test_necks_of_other_levels_are_refused():
    with pytest.raises(ValueError, match=r"--neck tiny_fpn takes 2 feature levels, .* backbone has 3"):
        preset("yolov4_tiny", backbone="timm:resnet18")


def test_without_timm_the_message_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "timm", None)
    with pytest.raises(ValueError, match=r"timm:resnet18 needs timm, .* pip install timm"):
        preset("yolox_s", backbone="timm:resnet18")


def test_it_is_named_among_the_backbones():
    with pytest.raises(ValueError, match=r"no backbone 'resnet18'; --backbone takes one of: .*, timm:NAME"):
        preset("yolox_s", backbone="resnet18")
