"""Receptive fields of small networks by hand and by perturbation, and of published networks."""

from typing import NamedTuple

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from nets import build_detector
from nets.common.detector import Detector
from nets.common.feature_levels import feature_levels, flatten_cells
from nets.common.preprocess import PixelFormat
from nets.common.structures import Level
from nets.inspect.receptive_field import receptive_fields
from nets.layers.blocks import SPP, Focus, SeparableConv


class Raw(NamedTuple):
    boxes: Tensor  # [B, A, C]
    levels: tuple[Level, ...]


class Flat(nn.Module):
    """A head that predicts the features themselves."""

    def __init__(self, strides):
        super().__init__()
        self.strides = strides

    def forward(self, features):
        channels = min(feature.shape[1] for feature in features)
        flat = flatten_cells([feature[:, :channels] for feature in features])
        return Raw(flat, feature_levels(features, self.strides))


class One(nn.Module):
    """A backbone of one level."""

    def __init__(self, *layers):
        super().__init__()
        self.layers = nn.Sequential(*layers)

    def forward(self, images):
        return (self.layers(images),)


def detector_of(backbone, strides):
    return Detector(backbone, nn.Identity(), Flat(strides), None, None, PixelFormat(), max(strides))


def field(*layers, stride=1):
    """The receptive field of one output of a stack of layers."""
    return receptive_fields(detector_of(One(*layers), (stride,)))[0]


def conv(kernel, stride=1, padding=None, **options):
    padding = kernel // 2 if padding is None else padding
    return nn.Conv2d(3, 3, kernel, stride, padding, **options)


class Shortcut(nn.Module):
    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, x):
        return x + self.inner(x)


class Beside(Shortcut):
    """The channels, and those of the inner module, of which the last three go on."""

    def forward(self, x):
        return torch.cat((x, self.inner(x)), dim=1)[:, -3:]


class Halves(nn.Module):
    """For an odd number of rows: every second one, and the maximum of two, of the last one alone."""

    def __init__(self):
        super().__init__()
        self.pool = nn.MaxPool2d(2, 2, ceil_mode=True)

    def forward(self, x):
        return x[..., ::2, ::2] + self.pool(x)


@pytest.mark.parametrize(
    ("layers", "stride", "expected"),
    [
        ([conv(1)], 1, 1),
        ([conv(3), conv(3)], 1, 5),  # each adds 2
        ([conv(3, 2), conv(3)], 2, 7),  # 3, and 2 more steps of 2 pixels
        ([conv(3, 2), nn.BatchNorm2d(3), nn.SiLU(), conv(3, 2), nn.ReLU(), conv(3)], 4, 15),  # 3 + 4 + 8
        ([conv(3), nn.MaxPool2d(2, 2), conv(3)], 2, 8),  # 3 + 1 + 4
        ([conv(3, dilation=2, padding=2)], 1, 5),
        ([conv(3, groups=3), SeparableConv(3, 3, 3)], 1, 5),
        ([Shortcut(conv(3)), Shortcut(conv(5))], 1, 7),
        ([Beside(conv(3)), conv(3)], 1, 5),
        ([nn.MaxPool2d(3, 1, 1), nn.MaxPool2d(3, 1, 1)], 1, 5),
        ([nn.ReplicationPad2d((0, 1, 0, 1)), nn.MaxPool2d(2, 1)], 1, 2),
        # Two coarse cells, whose 3 pixels lie 2 apart, under three fine ones.
        ([conv(3, 2), nn.Upsample(scale_factor=2), conv(3)], 1, 5),
        ([SPP(4, 4)], 1, 13),
        ([Focus(3, 4, 3)], 2, 6),  # three cells of two pixels
        ([conv(3, 2), nn.ConvTranspose2d(3, 3, 2, 2)], 1, 3),
        ([conv(3)] * 120, 1, 241),  # where a corner counts 9^-120
        ([conv(3, 2)] * 5 + [nn.AvgPool2d(41, 1, 20)], 32, 1343),  # 63 and 40 * 32: more than the first try
        ([nn.ZeroPad2d((0, 1, 0, 1)), Halves()], 2, 2),
        ([nn.AvgPool2d(2), nn.Conv2d(3, 6, 1), nn.GroupNorm(2, 6), nn.Dropout2d(), nn.PReLU()], 2, 2),
    ],
)
def test_small_stacks_by_hand(layers, stride, expected):
    channels = 4 if isinstance(layers[0], SPP) else 3
    first = [nn.Conv2d(3, 4, 1)] if channels == 4 else []
    assert field(*first, *layers, stride=stride) == (expected, expected)


def test_height_and_width_apart():
    assert field(nn.Conv2d(3, 3, (3, 7), padding=(1, 3)), nn.MaxPool2d((5, 1), 1, (2, 0))) == (7, 7)
    assert field(nn.Conv2d(3, 3, (1, 7), padding=(0, 3)), nn.MaxPool2d((5, 1), 1, (2, 0))) == (5, 7)


def test_the_whole_image():
    class Squeeze(Shortcut):
        def forward(self, x):
            return x * self.inner(x).sigmoid()

    squeeze = Squeeze(nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(3, 3, 1)))
    assert field(conv(3), squeeze) is None


@settings(max_examples=15, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from([1, 2, 3, 5]), st.sampled_from([1, 2]), st.booleans()),
        min_size=1,
        max_size=4,
    )
)
def test_random_stacks_by_trial(layers):
    """Change one pixel row after the other, and see which of them change the output in the middle."""
    stride, modules = 1, []
    for kernel, step, shortcut in layers:
        layer = conv(kernel, step if kernel > 1 else 1, bias=False)
        nn.init.uniform_(layer.weight, 0.5, 1.0)
        stride *= layer.stride[0]
        modules.append(Shortcut(layer) if shortcut and layer.stride[0] == 1 and kernel % 2 else layer)
    network = nn.Sequential(*modules).double()
    rows = 16 * stride
    with torch.no_grad():
        images = torch.eye(rows, dtype=torch.float64).view(rows, 1, rows, 1).expand(-1, 3, -1, 8 * stride)
        outputs = network(images)
        middle = outputs[:, 0, outputs.shape[2] // 2, outputs.shape[3] // 2]
    seen = middle.nonzero().flatten()
    assert field(*modules, stride=stride) == (int(seen[-1] - seen[0] + 1),) * 2


def test_darknet53_by_hand():
    """Stem 3; a stage adds 2 steps for its stride and 2 for each block, in steps of its level.

    Stage 1: 3 + 2 + 4 = 9; 2: + 4 + 2 * 8 = 29; 3: + 8 + 8 * 16 = 165; 4: + 16 + 8 * 32 = 437;
    5: + 32 + 4 * 64 = 725.
    """
    backbone = build_detector("yolov3", 1).backbone
    found = receptive_fields(detector_of(backbone, backbone.strides))
    assert found == ((165, 165), (437, 437), (725, 725))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        # The tiny backbone: 3x3 and a maximum over 2, five times: 3, 4, 8, 10, 18, 22, 38, 46, 78, 94; a 3x3
        # convolution, the maximum over 2 that keeps the size, a 3x3 one: 158, 190, 254; then the head's 318.
        # On the fine level, two coarse cells of 254 under three fine ones: 254 + 32 = 286.
        ("yolov3_tiny", (286, 318)),
        # Stem 3, 7; stages of three 3x3 and a maximum 31, 35; 83, 91; 187, 203; then 267, 331; 267 + 32.
        ("yolov4_tiny", (299, 331)),
    ],
)
def test_tiny_networks_by_hand(name, expected):
    with torch.device("meta"):
        detector = build_detector(name, 80)
    assert receptive_fields(detector) == tuple((side, side) for side in expected)


def test_nothing_is_changed():
    torch.manual_seed(0)
    detector = build_detector("yolov4_tiny", 2).train()
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    random = torch.get_rng_state()
    receptive_fields(detector)
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert detector.training and all(p.requires_grad for p in detector.parameters())
    assert torch.equal(random, torch.get_rng_state())


def test_raw_outputs_without_levels():
    class Loose(nn.Module):
        def forward(self, features):
            return Raw(features[0], ())

    detector = Detector(One(conv(3)), nn.Identity(), Loose(), None, None, PixelFormat(), 1)
    assert receptive_fields(detector) == ()
