"""Official YOLOv9 names become ours: all of them, each with the shape that the published layout gives it."""

import math
import zlib

import numpy as np
import pytest
import torch

from nets import ZOO, build_detector
from nets.heads.dfl_head import decode_dfl_boxes
from nets.losses.dfl_loss import encode_dfl_boxes
from nets.published.published import from_published
from nets.published.yolov9 import from_yolov9, yolov9_to_our_name
from tests.nets.batches import random_images

# The published layout, written apart from nets/: for each size the stem, the first stage, three stages as
# (channels that come down, channels out), the neck's (down, out) for P4 and P5, bottlenecks, kind of "down".
LAYOUTS = {
    "yolov9_t": ((16, 32), (32, 32), ((64, 64), (96, 96), (128, 128)), (64, 48, 64), 3, "aconv", 80),
    "yolov9_s": ((32, 64), (64, 64), ((128, 128), (192, 192), (256, 256)), (128, 96, 128), 3, "aconv", 128),
    "yolov9_m": (
        (32, 64),
        (128, 128),
        ((240, 240), (360, 360), (480, 480)),
        (240, 184, 240),
        1,
        "aconv",
        240,
    ),
    "yolov9_c": (
        (64, 128),
        (128, 256),
        ((256, 512), (512, 512), (512, 512)),
        (256, 256, 512),
        1,
        "adown",
        256,
    ),
}


def conv(name, inputs, outputs, kernel, groups=1):
    statistics = ("weight", "bias", "running_mean", "running_var")
    shapes = {f"{name}.conv.weight": (outputs, inputs // groups, kernel, kernel)}
    return shapes | {f"{name}.bn.{statistic}": (outputs,) for statistic in statistics}


def partial_layer(name, channels, depth):
    half = channels // 2
    shapes = conv(f"{name}.conv1", channels, half, 1) | conv(f"{name}.conv2", channels, half, 1)
    shapes |= conv(f"{name}.conv3", 2 * half, channels, 1)
    for number in range(depth):
        block = f"{name}.bottleneck.{number}"
        shapes |= conv(f"{block}.conv1.conv1", half, half, 3) | conv(f"{block}.conv1.conv2", half, half, 1)
        shapes |= conv(f"{block}.conv2", half, half, 3)
    return shapes


def aggregation(layer, inputs, outputs, hidden, depth):
    half = hidden // 2
    shapes = conv(f"{layer}.conv1", inputs, hidden, 1) | conv(f"{layer}.conv4", 2 * hidden, outputs, 1)
    for name in (f"{layer}.conv2", f"{layer}.conv3"):
        if depth:
            shapes |= partial_layer(f"{name}.0", half, depth) | conv(f"{name}.1", half, half, 3)
        else:
            shapes |= conv(name, half, half, 3)
    return shapes


def down(layer, inputs, outputs, kind):
    if kind == "aconv":
        return conv(f"{layer}.conv", inputs, outputs, 3)
    halves = inputs // 2, outputs // 2
    return conv(f"{layer}.conv1", *halves, 3) | conv(f"{layer}.conv2", *halves, 1)


def predictor(name, inputs, outputs, groups=1):
    return {f"{name}.weight": (outputs, inputs // groups, 1, 1), f"{name}.bias": (outputs,)}


def detection(layer, channels, class_width, classes):
    shapes = {}
    for level, inputs in enumerate(channels):
        box, kind = f"{layer}.heads.{level}.anchor_conv", f"{layer}.heads.{level}.class_conv"
        shapes |= (
            conv(f"{box}.0", inputs, 64, 3)
            | conv(f"{box}.1", 64, 64, 3, 4)
            | predictor(f"{box}.2", 64, 64, 4)
        )
        shapes |= conv(f"{kind}.0", inputs, class_width, 3) | conv(f"{kind}.1", class_width, class_width, 3)
        shapes |= predictor(f"{kind}.2", class_width, classes)
        shapes[f"{layer}.heads.{level}.anc2vec.anc2vec.weight"] = (1, 16, 1, 1, 1)
    return shapes


def official_shapes(size, classes):
    """Names and shapes of a published checkpoint's floating tensors."""
    stem, (hidden, first), stages, (fine, down4, down5), depth, kind, class_width = LAYOUTS[size]
    (_, b3), (_, b4), (_, b5) = stages
    simple = size in ("yolov9_t", "yolov9_s")
    shapes = conv(0, 3, stem[0], 3) | conv(1, *stem, 3)
    shapes |= aggregation(2, stem[1], first, hidden, 0 if simple else depth)
    inputs = first
    for layer, (within, outputs) in zip((3, 5, 7), stages, strict=True):
        shapes |= down(layer, inputs, within, kind)
        shapes |= aggregation(layer + 1, within, outputs, within, depth)
        inputs = outputs
    shapes |= conv("9.conv1", b5, b5 // 2, 1) | conv("9.conv5", 2 * b5, b5, 1)
    shapes |= aggregation(12, b5 + b4, b4, b4, depth) | aggregation(15, b4 + b3, fine, fine, depth)
    shapes |= down(16, fine, down4, kind) | aggregation(18, down4 + b4, b4, b4, depth)
    shapes |= down(19, b4, down5, kind) | aggregation(21, down5 + b5, b5, b5, depth)
    return shapes | detection(22, (fine, b4, b5), class_width, classes)


def known_values(name, shape):
    """The same random values for a name each time, of a size that keeps features from vanishing."""
    values = np.random.default_rng(zlib.crc32(str(name).encode())).uniform(-1, 1, tuple(shape))
    if len(shape) > 1:
        values *= 2.1 / math.sqrt(math.prod(shape[1:]))
    else:
        values = values / 2 + ("running_var" in name or name.endswith("bn.weight"))
    return torch.from_numpy(values).float()


def official_state(size, classes=80):
    return {name: torch.empty(shape, device="meta") for name, shape in official_shapes(size, classes).items()}


@pytest.mark.parametrize("size", LAYOUTS)
@pytest.mark.parametrize("classes", [80, 3])
def test_every_name_and_shape_comes_back(size, classes):
    with torch.device("meta"):
        ours = build_detector(size, classes).state_dict()
    ours = {name: value.shape for name, value in ours.items() if value.is_floating_point()}
    official = official_state(size, classes)
    found = from_yolov9(official)
    assert {name: value.shape for name, value in found.items()} == ours
    unused = [name for name in official if yolov9_to_our_name(name) is None]
    assert len(found) + len(unused) == len(official) and all("anc2vec" in name for name in unused)


@pytest.mark.parametrize("size", LAYOUTS)
def test_all_but_the_rows_of_classes_fits_another_number_of_classes(size):
    published = from_yolov9(official_state(size))
    with torch.device("meta"):
        ours = build_detector(size, 3).state_dict()
    unlike = {name for name, value in published.items() if value.shape != ours[name].shape}
    assert unlike == {f"head.class_preds.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")}


def test_every_size_is_tested():
    assert LAYOUTS.keys() == {name for name in ZOO if name.startswith("yolov9")}


@pytest.mark.parametrize(
    ("official", "ours"),
    [
        ("1.bn.running_var", "backbone.stem.1.bn.running_var"),
        ("2.conv2.conv.weight", "backbone.stage1.first.conv.weight"),
        ("2.conv2.1.conv.weight", "backbone.stage1.first.1.conv.weight"),
        ("3.conv.conv.weight", "backbone.stage2.0.conv.conv.weight"),
        ("5.conv1.conv.weight", "backbone.stage3.0.spatial.conv.weight"),
        ("7.conv2.bn.bias", "backbone.stage4.0.pointwise.bn.bias"),
        ("8.conv3.0.conv2.bn.bias", "backbone.stage4.1.second.0.bypass.bn.bias"),
        (
            "4.conv2.0.bottleneck.2.conv1.conv2.bn.weight",
            "backbone.stage2.1.first.0.blocks.2.rep.pointwise.bn.weight",
        ),
        (
            "21.conv3.0.bottleneck.0.conv2.conv.weight",
            "neck.path_coarse.second.0.blocks.0.spatial.conv.weight",
        ),
        ("9.conv5.conv.weight", "neck.pool.merge.conv.weight"),
        ("22.heads.1.anchor_conv.1.bn.bias", "head.box_convs.1.1.bn.bias"),
        ("22.heads.2.anchor_conv.2.bias", "head.distance_preds.2.bias"),
        ("22.heads.0.class_conv.2.weight", "head.class_preds.0.weight"),
        ("22.heads.0.anc2vec.anc2vec.weight", None),
        ("10.conv.weight", None),
        ("30.heads.0.class_conv.2.weight", None),
        ("head.class_preds.0.weight", None),
    ],
)
def test_names_by_hand(official, ours):
    assert yolov9_to_our_name(official) == ours


def test_the_auxiliary_branch_is_left_out():
    state = official_state("yolov9_t")
    auxiliary = {name.replace("22.", "30.", 1): value for name, value in state.items() if name[:3] == "22."}
    assert auxiliary and from_yolov9(state | auxiliary).keys() == from_yolov9(state).keys()
    assert from_published(state, "yolov9_t").keys() == from_yolov9(state).keys()


def test_other_names_are_not_taken_for_official_ones():
    assert from_yolov9({}) is None
    assert from_yolov9({"0.conv.weight": torch.zeros(1)}) is None
    with torch.device("meta"):
        assert from_published(build_detector("yolov9_t", 2).state_dict(), "yolov9_t") is None


# What the published code makes of `known_values` and of images(1, 64, 96), on one cell of each level: three
# class logits, and the distances in strides. Its class branch of the smallest size is as wide as ours for 40.
PUBLISHED_OUTPUTS = {
    "yolov9_t": (
        40,
        [[5.7318, 1.1743, 1.4486], [-33.7062, -29.9356, -0.0983], [2.7791, 1.503, 1.7024]],
        [[4.0028, 9.3222, 6.9365, 4.3438], [10.9671, 13.0, 2.0, 3.0028], [8.4181, 10.6352, 2.5322, 8.3445]],
    ),
    "yolov9_c": (
        80,
        [[-0.2816, 0.6614, 0.001], [-1.184, 1.0987, 0.0295], [-0.3477, 0.4858, -0.1586]],
        [[7.8309, 7.4325, 8.0532, 7.8084], [7.3812, 7.5693, 7.5201, 6.773], [6.3239, 7.7768, 7.7681, 8.2186]],
    ),
}


@pytest.mark.parametrize("size", PUBLISHED_OUTPUTS)
def test_outputs_are_those_of_the_published_code(size):
    classes, logits, distances = PUBLISHED_OUTPUTS[size]
    state = {str(n): known_values(n, shape) for n, shape in official_shapes(size, classes).items()}
    detector = build_detector(size, classes).eval()
    detector.load_state_dict(from_yolov9(state), strict=False)  # it counts batches too
    with torch.no_grad():
        raw = detector(random_images(1, 64, 96))
    cells = [5, 96 + 3, 96 + 24 + 5]
    torch.testing.assert_close(raw.classes[0, cells, :3], torch.tensor(logits), rtol=1e-3, atol=2e-3)
    found = encode_dfl_boxes(decode_dfl_boxes(raw), raw)[0, cells]
    torch.testing.assert_close(found, torch.tensor(distances), rtol=1e-3, atol=2e-3)
