"""Which parameter is in which group, and what the group is trained with."""

from collections import Counter

import pytest
import torch
from torch import nn

from nets import ZOO, build, build_detector
from nets.common.detector import PARTS
from nets.inspect.stages import stages_of
from tests.utils.train.tiny_training import PHASE, drawn_index, make_trainer, same_bits
from utils.train.muon import Muon
from utils.train.optimizer import build_optimizer, hidden_matrices, restore_optimizer, split_by_decay

OPTIMIZERS = {"sgd": torch.optim.SGD, "adamw": torch.optim.AdamW, "muon": Muon}


@pytest.fixture(scope="module")
def detector():
    return build_detector("yolox_nano", 3)


@pytest.mark.parametrize("options", [{}, {"layer_decay": 0.5}, {"by_stage": True}], ids=str)
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_parameter_exactly_once(detector, name, options):
    optimizer = build_optimizer(detector, name, 0.9, 0.01, **options)
    assert type(optimizer) is OPTIMIZERS[name]
    times = Counter(id(p) for group in optimizer.param_groups for p in group["params"])
    assert times == {id(p): 1 for p in detector.parameters()}
    named = dict(detector.named_parameters())
    for group in optimizer.param_groups:
        assert [id(named[name]) for name in group["names"]] == [id(p) for p in group["params"]]


def test_groups_belong_to_their_part(detector):
    for group in build_optimizer(detector, "sgd", 0.9, 0.01).param_groups:
        own = {id(p) for p in getattr(detector, group["part"]).parameters()}
        assert group["params"] and {id(p) for p in group["params"]} <= own
    parts = [group["part"] for group in build_optimizer(detector, "sgd", 0.9, 0.01).param_groups]
    assert Counter(parts) == dict.fromkeys(PARTS, 2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_norms_and_biases_do_not_decay(detector, name):
    plain = {
        id(p)
        for module in detector.modules()
        for name, p in module.named_parameters(recurse=False)
        if isinstance(module, nn.BatchNorm2d) or name == "bias"
    }
    assert plain
    for group in build_optimizer(detector, name, 0.9, 0.01).param_groups:
        for parameter in group["params"]:
            assert group["weight_decay"] == (0.0 if id(parameter) in plain else 0.01)


def test_momentum_reaches_the_optimizer(detector):
    assert {g["momentum"] for g in build_optimizer(detector, "sgd", 0.8, 0.0).param_groups} == {0.8}
    assert {g["momentum"] for g in build_optimizer(detector, "muon", 0.8, 0.0).param_groups} == {0.8}
    assert {g["betas"] for g in build_optimizer(detector, "adamw", 0.8, 0.0).param_groups} == {(0.8, 0.999)}


def test_split_by_decay():
    module = nn.Sequential(nn.Conv2d(2, 3, 1), nn.BatchNorm2d(3))
    decayed, plain = split_by_decay(module.parameters())
    assert [p.shape for p in decayed] == [(3, 2, 1, 1)]
    assert [p.shape for p in plain] == [(3,), (3,), (3,)]


def test_a_group_without_parameters_is_left_out():
    detector = build_detector("yolox_nano", 1)
    detector.neck = nn.Conv2d(4, 4, 1, bias=False)
    optimizer = build_optimizer(detector, "sgd", 0.9, 0.01)
    assert [group["part"] for group in optimizer.param_groups].count("neck") == 1


# What Muon is for


def hidden_names(name):
    with torch.device("meta"):
        detector = build(ZOO[name], 2)
    hidden = hidden_matrices(detector)
    return {name: hidden[p] for name, p in detector.named_parameters() if p in hidden}, detector


def test_muon_is_for_kernels_between_the_layers(detector):
    groups = build_optimizer(detector, "muon", 0.9, 0.01).param_groups
    kinds = {name: group["matrices"] for group in groups for name in group["names"]}
    assert kinds["backbone.stem.conv.conv.weight"] == 1  # [16, 12, 3, 3]
    assert kinds["head.class_convs.0.0.pointwise.conv.weight"] == 1
    assert kinds["head.class_convs.0.0.depthwise.conv.weight"] == 0
    for predictors in ("class_preds", "box_preds", "objectness_preds"):
        assert kinds[f"head.{predictors}.0.weight"] == kinds[f"head.{predictors}.0.bias"] == 0
    for name, parameter in detector.named_parameters():
        if kinds[name]:
            assert parameter.ndim == 4 and min(parameter.shape[:2]) > 1


@pytest.mark.parametrize(
    ("name", "predictions"),
    [
        ("yolov3_tiny", ["box_preds", "objectness_preds", "class_preds"]),
        ("yolov9_t", ["class_preds", "distance_preds"]),
        ("ssd300_vgg16", ["classification_head", "regression_head"]),
        ("retinanet", ["cls_logits", "bbox_reg"]),
        ("fcos", ["cls_logits", "bbox_reg", "bbox_ctrness"]),
        ("fasterrcnn", ["cls_logits", "bbox_pred", "cls_score", "fc6", "fc7"]),
    ],
)
def test_prediction_layers_are_left_to_adamw(name, predictions):
    hidden, detector = hidden_names(name)
    rest = {
        name
        for name, p in detector.head.named_parameters()
        if p.ndim > 1 and f"head.{name}" not in hidden and p.shape[1] > 1
    }
    assert rest and all(any(word in name for word in predictions) for name in rest)
    assert all(any(word in name for name in rest) for word in predictions)


def test_a_convolution_in_groups_is_as_many_matrices():
    hidden, detector = hidden_names("yolov9_t")
    layers = dict(detector.named_modules())
    assert {1, 4} == {*hidden.values()}
    for name, matrices in hidden.items():
        assert matrices == layers[name.removesuffix(".weight")].groups


# Rates of layers


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_by_the_distance_from_the_head(detector, name):
    scales = {}
    for group in build_optimizer(detector, name, 0.9, 0.01, layer_decay=0.5).param_groups:
        for parameter in group["names"]:
            scales[parameter] = group["scale"]
    stages = {stage.name: stage for stage in stages_of(detector)}
    expected = {
        "head": 1.0,
        "neck": 0.5,
        "backbone.stage4": 0.25,
        "backbone.stage3": 0.125,
        "backbone.stage2": 0.0625,
        "backbone.stage1": 0.03125,
        "backbone.stem": 0.015625,
    }
    assert stages.keys() == expected.keys()
    for parameter in scales:
        stage = next(stage for stage in expected if parameter.startswith(f"{stage}."))
        assert scales[parameter] == expected[stage]


@pytest.mark.parametrize("options", [{}, {"by_stage": True}], ids=str)
def test_without_it_all_have_the_same_rate(detector, options):
    assert {g["scale"] for g in build_optimizer(detector, "adamw", 0.9, 0.01, **options).param_groups} == {1}


def test_the_trainer_multiplies_the_rate(tmp_path):
    trainer = make_trainer(drawn_index(tmp_path), lr_decay="constant", warmup_epochs=0, layer_decay=0.1)
    trainer.schedule.set_learning_rates(PHASE, step=0)
    rates = {(g["part"], g["stage"]): g["lr"] for g in trainer.optimizer.param_groups}
    assert [rates["head", 0], rates["neck", 0], rates["backbone", 5], rates["backbone", 1]] == pytest.approx(
        [1e-2, 1e-3, 1e-4, 1e-8]
    )
    assert trainer.learning_rate == 0.01


# Going on


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_state_goes_to_its_parameter_however_groups_are_divided(name):
    detector = build_detector("yolox_nano", 1)
    for number, parameter in enumerate(detector.parameters()):
        parameter.grad = torch.full_like(parameter, float(number + 1))
    before = build_optimizer(detector, name, 0.9, 0.01)
    before.step()
    after = build_optimizer(detector, name, 0.8, 0.5, layer_decay=0.5)
    restore_optimizer(after, before.state_dict())
    for parameter in detector.parameters():
        assert same_bits(before.state[parameter], after.state[parameter])
    assert {group["weight_decay"] for group in after.param_groups} == {0.5, 0.0}
    assert len({group["scale"] for group in after.param_groups}) == 7


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_rates_of_the_last_step_are_known_after_going_on(name):
    """A run killed after the last step of an epoch still logs the learning rate of that epoch."""
    detector = build_detector("yolox_nano", 1)
    before, after = (
        build_optimizer(detector, name, 0.9, 0.01),
        build_optimizer(detector, name, 0.9, 0.01, 0.5),
    )
    for group in before.param_groups:
        group["lr"] = 0.25 if group["part"] == "head" else 0.5
    restore_optimizer(after, before.state_dict())
    assert {(group["part"], group["lr"]) for group in after.param_groups} == {
        ("backbone", 0.5),
        ("neck", 0.5),
        ("head", 0.25),
    }
