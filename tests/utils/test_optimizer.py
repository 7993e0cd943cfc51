"""Which parameter is in which group."""

from collections import Counter

import pytest
import torch
from torch import nn

from nets import build_detector
from nets.detector import PARTS
from utils.optimizer import build_optimizer, split_by_decay


@pytest.fixture(scope="module")
def detector():
    return build_detector("yolox_nano", 3)


@pytest.mark.parametrize(("name", "kind"), [("sgd", torch.optim.SGD), ("adamw", torch.optim.AdamW)])
def test_every_parameter_exactly_once(detector, name, kind):
    optimizer = build_optimizer(detector, name, 0.9, 0.01)
    assert type(optimizer) is kind
    times = Counter(id(p) for group in optimizer.param_groups for p in group["params"])
    assert times == {id(p): 1 for p in detector.parameters()}


def test_groups_belong_to_their_part(detector):
    for group in build_optimizer(detector, "sgd", 0.9, 0.01).param_groups:
        own = {id(p) for p in getattr(detector, group["part"]).parameters()}
        assert group["params"] and {id(p) for p in group["params"]} <= own
    parts = [group["part"] for group in build_optimizer(detector, "sgd", 0.9, 0.01).param_groups]
    assert Counter(parts) == dict.fromkeys(PARTS, 2)


def test_norms_and_biases_do_not_decay(detector):
    plain = {
        id(p)
        for module in detector.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, nn.BatchNorm2d) or name == "bias"
    }
    assert plain
    for group in build_optimizer(detector, "adamw", 0.9, 0.01).param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.0 if id(parameter) in plain else 0.01)


def test_momentum_reaches_the_optimizer(detector):
    assert {g["momentum"] for g in build_optimizer(detector, "sgd", 0.8, 0.0).param_groups} == {0.8}
    assert {g["betas"] for g in build_optimizer(detector, "adamw", 0.8, 0.0).param_groups} == {(0.8, 0.999)}


def test_split_by_decay():
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    decayed, plain = split_by_decay(module)
    assert [p.shape for p in decayed] == [(3, 2, 1, 1)]
    assert [p.shape for p in plain] == [(3,), (3,), (3,)]


def test_a_group_without_parameters_is_left_out(detector):
    detector = build_detector("yolox_nano", 1)
    detector.neck = nn.Conv2d(4, 4, 1, bias=False)
    optimizer = build_optimizer(detector, "sgd", 0.9, 0.01)
    assert [group["part"] for group in optimizer.param_groups].count("neck") == 1
