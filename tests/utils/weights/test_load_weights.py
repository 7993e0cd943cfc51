"""Weights are loaded where names and shapes fit, class rows by class name, and misfits are refused."""

import copy

import pytest
import torch

from nets import build_detector, preset
from nets.published.darknet import file_shapes
from tests.helpers import SHARED, needs_shared
from tests.nets.published.torchvision_models import random_model
from tests.official_names import as_official
from tests.utils.weights.nano_weights import LAYERS, NANO, equal, floating, fresh, weights_of
from utils.data.class_names import read_classes
from utils.weights.class_transfer import ClassLayer, class_layers, model_shapes
from utils.weights.load_weights import COCO_CLASSES, best_fit, load_weights
from utils.weights.read_weights import Weights, read_weights


def test_half_precision_weights_load_into_a_full_detector(donor):
    halves = {name: value.half() for name, value in floating(donor).items()}
    detector = fresh(3)
    report = load_weights(detector, Weights("half.pt", halves, ("a", "b", "c")), NANO, "abc")
    assert report.complete
    found = floating(detector)
    assert all(found[name].dtype == torch.float32 for name in halves)
    assert all(torch.equal(found[name], value.float()) for name, value in halves.items())


@pytest.mark.parametrize(
    ("theirs", "ours", "rows"),
    [
        ("cat dog car", "cat dog car", {0: 0, 1: 1, 2: 2}),
        ("cat dog car", "car cat dog", {0: 2, 1: 0, 2: 1}),  # as many, in another order
        ("cat dog car", "dog", {0: 1}),
        ("cat dog car", "kite dog bus cat", {1: 1, 3: 0}),
        ("cat dog car", "x y z", {}),  # as many, but others
        ("cat dog car", " DOG |Car", {0: 1, 1: 2}),
        ("a A b", "A a", {0: 1, 1: 0}),  # as written, before regardless of case
        ("airplane|dining table|tv", "aeroplane|diningtable|tvmonitor", {0: 0, 1: 1, 2: 2}),
        ("11 1-1 2", "1-1 11", {0: 1, 1: 0}),  # as written, before regardless of hyphens
    ],
)
def test_class_rows_follow_their_names(donor, theirs, ours, rows):
    theirs, ours = (tuple(text.split("|" if "|" in text else None)) for text in (theirs, ours))
    detector = fresh(len(ours))
    before = copy.deepcopy(detector.state_dict())
    report = load_weights(detector, weights_of(donor, theirs), NANO, ours)
    source = donor.state_dict()
    for name in LAYERS:
        expected = before[name].clone()
        for target, row in rows.items():
            expected[target] = source[name][row]
        assert torch.equal(detector.state_dict()[name], expected), name
    assert report.classes_carried == tuple(ours[row] for row in rows)
    assert report.classes_fresh == tuple(name for row, name in enumerate(ours) if row not in rows)
    head = report.parts["head"]
    assert (len(head.loaded), len(head.by_class)) == ((153, 0) if len(rows) == len(ours) else (147, 6))
    # What is no class layer is loaded all the same.
    assert equal(detector.backbone, donor.backbone) and equal(detector.head.box_preds, donor.head.box_preds)


def test_class_rows_of_anchors_follow_their_names():
    """Each of three anchors has a row for every class: class b has the rows 1, 4 and 7."""
    model, donor = preset("yolov4_tiny"), fresh(3, "yolov4_tiny")
    layers = class_layers(model, model_shapes(model, 3), 3)
    assert {name.rsplit(".", 2)[0] for name in layers} == {"head.class_preds"}
    assert {*layers.values()} == {ClassLayer(groups=3, before=0)}
    detector = fresh(3, "yolov4_tiny")
    torch.nn.init.constant_(detector.head.class_preds[1].weight, 7.0)
    report = load_weights(detector, weights_of(donor, tuple("abc")), model, tuple("cxb"))
    ours, theirs = detector.head.class_preds[1].weight, donor.head.class_preds[1].weight
    assert torch.equal(ours[[0, 2, 3, 5, 6, 8]], theirs[[2, 1, 5, 4, 8, 7]])
    assert (ours[[1, 4, 7]] == 7).all()
    assert report.classes_carried == ("c", "b") and report.classes_fresh == ("x",)
    head = report.parts["head"]  # 3 fresh rows in each of 2 levels: 512 and 256 weights and a bias
    assert head.parameters - head.loaded_parameters == 3 * (512 + 1 + 256 + 1)


def test_unknown_classes_load_by_position_or_not_at_all(donor):
    same, other, before = fresh(3), fresh(2), fresh(2)
    report = load_weights(same, weights_of(donor), NANO, "xyz")
    assert report.complete and report.classes_carried is None and equal(same, donor)
    report = load_weights(other, weights_of(donor), NANO, "xy")
    assert sorted(report.parts["head"].mismatched) == sorted(LAYERS)
    assert report.parts["head"].mismatched["head.class_preds.0.bias"] == ((3,), (2,))
    assert all(torch.equal(other.state_dict()[k], before.state_dict()[k]) for k in LAYERS)


def test_names_that_contradict_the_layers_are_refused(donor):
    with pytest.raises(ValueError, match=r"donor\.pt is inconsistent: it names 2 .* for 3"):
        load_weights(fresh(2), weights_of(donor, ("a", "b")), NANO, "ab")


def test_official_weights_of_80_classes_are_those_of_coco():
    torch.manual_seed(3)
    official = build_detector("yolox_nano", 80)
    weights = Weights("w.pth", as_official(weights_of(official).state))
    detector = fresh(2)
    report = load_weights(detector, weights, NANO, ("kite2", "person"))
    assert report.classes_carried == ("person",) and report.classes_fresh == ("kite2",)
    assert torch.equal(detector.head.class_preds[1].weight[1], official.head.class_preds[1].weight[0])
    assert torch.equal(detector.backbone.stem.conv.conv.weight, official.backbone.stem.conv.conv.weight)
    # Under our own names, 80 classes may be anyone's.
    report = load_weights(detector, weights_of(official), NANO, ("kite2", "person"))
    assert report.classes_carried is None


def test_official_weights_may_be_of_other_classes(donor):
    official = Weights("w.pth", as_official(floating(donor)))
    report = load_weights(fresh(3), official, NANO, ("person", "x", "y"))
    assert report.classes_carried is None and report.complete, "by position: the names are unknown"


def test_to_predict_80_classes_may_be_called_in_any_language():
    official = fresh(80)
    weights, detector = Weights("w.pth", as_official(floating(official))), build_detector("yolox_nano", 80)
    names = [f"第{number}类" for number in range(80)]
    assert load_weights(detector, weights, NANO, names, strict=True).complete
    assert equal(detector, official)


def test_a_class_layer_without_rows_does_not_fit(donor):
    state = floating(donor) | {"head.class_preds.0.bias": torch.tensor(1.0)}
    report = load_weights(fresh(3), Weights("w.pt", state, ("a", "b", "c")), NANO, "cab")
    assert report.parts["head"].mismatched == {"head.class_preds.0.bias": ((), (3,))}


@needs_shared
def test_the_published_nano_loads_whole_and_for_two_of_its_classes():
    weights, coco = read_weights(SHARED / "weights" / "yolox_nano_coco.pth"), read_classes(COCO_CLASSES)
    assert load_weights(fresh(80), weights, NANO, coco, strict=True).complete
    detector = fresh(2)
    assert load_weights(detector, weights, NANO, ("traffic light", "Person")).complete
    for level in range(3):
        published = weights.state[f"head.cls_preds.{level}.weight"]
        assert torch.equal(detector.head.class_preds[level].weight, published[[9, 0]])


def test_torchvisions_checkpoint_is_recognised_and_loads_for_two_of_its_classes():
    """Its rows are COCO's category numbers: 10 is the traffic light, 1 the person, and 0 the background."""
    theirs = Weights("tv.pth", floating(random_model("fasterrcnn")))
    assert best_fit(theirs)[0] == "fasterrcnn" and best_fit(theirs)[1] > 0.97
    model, detector = preset("fasterrcnn"), fresh(3, "fasterrcnn")
    report = load_weights(detector, theirs, model, ("traffic light", "kite2", "Person"))
    assert report.classes_carried == ("traffic light", "Person") and not report.unused
    ours, box = detector.head.roi_heads.box_predictor, "roi_heads.box_predictor.bbox_pred.weight"
    score = theirs.state["roi_heads.box_predictor.cls_score.bias"]
    assert torch.equal(ours.cls_score.bias[[0, 1, 3]], score[[0, 10, 1]])
    assert torch.equal(ours.bbox_pred.weight[4:8], theirs.state[box][40:44])
    assert torch.equal(ours.bbox_pred.weight[12:], theirs.state[box][4:8])
    assert torch.equal(
        ours.bbox_pred.weight[8:12],
        fresh(3, "fasterrcnn").head.roi_heads.box_predictor.bbox_pred.weight[8:12],
    )


@pytest.mark.parametrize("official", [True, False])
@pytest.mark.parametrize(("theirs", "ours"), [("yolox_nano", "yolox_tiny"), ("yolox_tiny", "yolox_s")])
def test_weights_of_another_model_are_named(theirs, ours, official):
    state = weights_of(fresh(4, theirs)).state
    weights = Weights("w.pt", as_official(state) if official else state)
    detector = fresh(2, ours)
    with pytest.raises(
        ValueError, match=f"w.pt holds weights of {theirs}, not of {ours}: use --model {theirs}"
    ):
        load_weights(detector, weights, preset(ours), "ab")
    assert equal(detector, fresh(2, ours)), "a refused load changes nothing"
    assert best_fit(weights)[0] == theirs


def test_darknet_weights_of_another_network_are_named():
    floats = torch.zeros(sum(shape.numel() for shape in file_shapes("yolov4_tiny", 5).values()))
    weights = Weights("x.weights", {"darknet": floats})
    for name in ("yolov3_tiny", "yolox_nano"):
        with pytest.raises(
            ValueError, match=f"weights of yolov4_tiny, not of {name}: use --model yolov4_tiny"
        ):
            load_weights(fresh(2, name), weights, preset(name), "ab")
    with pytest.raises(ValueError, match=r"x.weights does not fit yolov4_tiny: it holds 99 floats"):
        load_weights(fresh(2), Weights("x.weights", {"darknet": floats[:99]}), preset("yolov4_tiny"), "ab")


def test_weights_of_no_model_of_the_zoo_are_refused():
    foreign = Weights("resnet.pt", {f"layer{n}.weight": torch.zeros(3) for n in range(100)})
    with pytest.raises(
        ValueError, match=r"resnet.pt holds no weights of yolox_nano: only 0 of 235 .*--model"
    ):
        load_weights(fresh(2), foreign, NANO, "ab")


@pytest.mark.parametrize(("kept", "enough"), [(118, True), (117, False)])
def test_half_of_the_backbone_is_enough(donor, kept, enough):
    """Of 235 tensors, 118 are more than half."""
    names = [name for name in floating(donor) if name.startswith("backbone.")][:kept]
    weights = Weights("w.pt", {name: floating(donor)[name] for name in names})
    if enough:
        assert len(load_weights(fresh(3), weights, NANO, "abc").parts["backbone"].missing) == 117
    else:
        with pytest.raises(ValueError, match="only 117 of 235 tensors of the backbone fit"):
            load_weights(fresh(3), weights, NANO, "abc")


@pytest.mark.parametrize(
    ("names", "given", "message"),
    [
        (None, "abcd", r"donor.pt has 3 classes, --classes names 4: give the class names"),
        (
            ("a", "b", "c"),
            "abcd",
            r"trained for 3 classes \(a, b, c\), --classes names 4 \(a, b, c, and 1 more",
        ),
        (("a", "b", "c"), "acb", r"\(a, b, c\), --classes names 3 \(a, c, b\): leave --classes out"),
    ],
)
def test_to_predict_classes_must_agree(donor, names, given, message):
    with pytest.raises(ValueError, match=message):
        load_weights(fresh(len(given)), weights_of(donor, names), NANO, given, strict=True)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("neck.lateral_coarse.bn.bias", None, "1 not in the file: neck.lateral_coarse.bn.bias"),
        ("head.stems.0.bn.bias", torch.zeros(7), r"head.stems.0.bn.bias \[7\] in the file, \[64\] here"),
        ("head.extra", torch.zeros(7), "1 that yolox_nano does not have: head.extra"),
    ],
)
def test_to_predict_every_tensor_must_fit(donor, name, value, message):
    state = {**weights_of(donor).state, name: value}
    weights = Weights("w.pt", {k: v for k, v in state.items() if v is not None})
    detector = fresh(3)
    with pytest.raises(ValueError, match="w.pt does not fit yolox_nano; .*" + message):
        load_weights(detector, weights, NANO, "abc", strict=True)
    assert equal(detector, fresh(3)), "a refused load changes nothing"
