"""Weights go where their names and shapes fit, class rows where their classes are, and nowhere silently."""

import copy
import json
import re

import pytest
import torch
from safetensors.torch import save_file

from nets import build_detector, preset
from nets.published.darknet import file_shapes
from tests.helpers import SHARED, needs_shared
from tests.nets.published.torchvision_models import random_model
from tests.official_names import as_official
from utils.data.class_names import read_classes
from utils.weights.checkpoint import save_checkpoint
from utils.weights.class_transfer import ClassLayer, class_layers, match_classes
from utils.weights.load_weights import COCO_CLASSES, best_fit, load_weights
from utils.weights.read_weights import Weights, read_weights

NANO = preset("yolox_nano")
LAYERS = [f"head.class_preds.{level}.{kind}" for level in range(3) for kind in ("weight", "bias")]


@pytest.fixture(scope="module")
def donor():
    """A nano for three classes, every tensor of which differs from a fresh one's."""
    torch.manual_seed(1)
    detector = build_detector("yolox_nano", 3)
    with torch.no_grad():
        for value in detector.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return detector


def floating(module):
    return {name: value for name, value in module.state_dict().items() if value.is_floating_point()}


def weights_of(detector, names=None):
    return Weights("donor.pt", floating(detector), names)


def fresh(classes, name="yolox_nano"):
    torch.manual_seed(2)
    return build_detector(name, classes)


def equal(first, second):
    other = floating(second)
    return all(torch.equal(value, other[name]) for name, value in floating(first).items())


# Reading


def save_as(kind, path, state):
    if kind == "checkpoint":
        stale = {k: torch.zeros_like(v) for k, v in state.items()}
        meta = {"class_names": ["a", "猫", "c"], "model_name": "yolox_nano", "image_size": (416, 320)}
        save_checkpoint(path, model=stale, ema=state, epoch=0, step=0, **meta)
    elif kind == "safetensors":
        meta = {
            "class_names": json.dumps(["a", "猫", "c"]),
            "model_name": "yolox_nano",
            "image_size": "[416, 320]",
        }
        save_file(state, path, meta)
    elif kind == "parallel":
        torch.save({"state_dict": {"module._orig_mod." + k: v for k, v in state.items()}}, path)
    elif kind == "compiled parts":
        torch.save({"model": {k.replace(".", "._orig_mod.", 1): v for k, v in state.items()}}, path)
    elif kind == "legacy":
        torch.save(state, path, _use_new_zipfile_serialization=False)
    else:
        torch.save(state, path)


@pytest.mark.parametrize(
    "kind", ["checkpoint", "safetensors", "parallel", "compiled parts", "legacy", "bare", "PTH"]
)
def test_every_kind_of_file_reads_and_loads(tmp_path, donor, kind):
    path = tmp_path / {"safetensors": "w.safetensors", "PTH": "w.PTH"}.get(kind, "w.pt")
    save_as(kind, path, donor.state_dict())
    weights = read_weights(path)
    assert not any("num_batches" in name for name in weights.state)
    has_metadata = kind in ("checkpoint", "safetensors")
    assert weights.class_names == (("a", "猫", "c") if has_metadata else None)
    assert (weights.model_name, weights.image_size) == (
        ("yolox_nano", (416, 320)) if has_metadata else (None, None)
    )
    detector = fresh(3)
    report = load_weights(detector, weights, NANO, ["a", "猫", "c"], strict=True)
    assert not report.by_order
    assert report.complete and equal(detector, donor)


def test_half_precision_weights_load_into_a_full_detector(donor):
    halves = {name: value.half() for name, value in floating(donor).items()}
    detector = fresh(3)
    report = load_weights(detector, Weights("half.pt", halves, ("a", "b", "c")), NANO, "abc")
    assert report.complete
    found = floating(detector)
    assert all(found[name].dtype == torch.float32 for name in halves)
    assert all(torch.equal(found[name], value.float()) for name, value in halves.items())


@pytest.mark.parametrize(
    "content", [{}, {"model": {}}, {"epoch": 3}, [1, 2], 7, {"model": {"n": torch.tensor(3)}}]
)
def test_a_file_without_weights_is_refused(tmp_path, content):
    torch.save(content, tmp_path / "none.pt")
    with pytest.raises(ValueError, match=r"none\.pt holds no weights"):
        read_weights(tmp_path / "none.pt")


def test_damaged_and_missing_safetensors_are_refused(tmp_path):
    path = tmp_path / "w.safetensors"
    with pytest.raises(ValueError, match=re.escape(str(path)) + " does not exist"):
        read_weights(path)
    save_file({"a": torch.zeros(100)}, path)
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(ValueError, match=r"w\.safetensors is damaged"):
        read_weights(path)


def test_strange_metadata_counts_as_none(tmp_path):
    metadata = {"class_names": {"0": "a"}, "model_name": 5, "image_size": ["416", "416"]}
    torch.save({"model": {"a": torch.zeros(1)}, **metadata}, tmp_path / "w.pt")
    weights = read_weights(tmp_path / "w.pt")
    assert (weights.class_names, weights.model_name, weights.image_size) == (None, None, None)


# Class rows


def test_class_layers_are_found():
    assert sorted(class_layers(NANO)) == sorted(LAYERS)


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
    assert {name.rsplit(".", 2)[0] for name in class_layers(model)} == {"head.class_preds"}
    assert {*class_layers(model).values()} == {ClassLayer(groups=3, before=0)}
    detector = fresh(3, "yolov4_tiny")
    torch.nn.init.constant_(detector.head.class_preds[1].weight, 7.0)
    report = load_weights(detector, weights_of(donor, tuple("abc")), model, tuple("cxb"))
    ours, theirs = detector.head.class_preds[1].weight, donor.head.class_preds[1].weight
    assert torch.equal(ours[[0, 2, 3, 5, 6, 8]], theirs[[2, 1, 5, 4, 8, 7]])
    assert (ours[[1, 4, 7]] == 7).all()
    assert report.classes_carried == ("c", "b") and report.classes_fresh == ("x",)
    head = report.parts["head"]  # 3 fresh rows in each of 2 levels: 512 and 256 weights and a bias
    assert head.parameters - head.loaded_parameters == 3 * (512 + 1 + 256 + 1)


def test_rows_before_the_classes_are_copied_too():
    """A background row at the head of each of two groups: [b0 x0 y0 b1 x1 y1] -> [b0 y0 b1 y1]."""
    layer = ClassLayer(groups=2, before=1)
    assert layer.classes(6) == 2 and layer.fits(6) and not layer.fits(5) and not layer.fits(2)
    theirs, ours = torch.arange(6.0), torch.full((4,), -1.0)
    match_classes("xy", "y", {"layer": layer}).copy("layer", theirs, ours)
    assert ours.tolist() == [0, 2, 3, 5]


# Other names


def test_a_part_with_other_names_is_loaded_by_order_and_shape(donor):
    state = {f"features.{n}": v for n, v in enumerate(floating(donor.backbone).values())}
    state |= {"classifier": torch.zeros(10)}
    detector = fresh(3)
    report = load_weights(detector, Weights("w.pt", state), NANO, "abc")
    assert equal(detector.backbone, donor.backbone) and equal(detector.neck, fresh(3).neck)
    assert report.by_order == ("backbone",) and report.unused == ("classifier",)
    assert "0.47 M parameters), by order and shape: the names differ" in report.text()


def test_order_counts_only_where_it_is_certain(donor):
    backbone = list(floating(donor.backbone).values())
    twice = {f"a.{n}": v for n, v in enumerate(backbone + backbone)}  # which of the two?
    turned = {f"a.{n}": v for n, v in enumerate(reversed(backbone))}
    for state in (twice, turned):
        with pytest.raises(ValueError, match="only 0 of 235"):
            load_weights(fresh(3), Weights("w.pt", state), NANO, "abc")


def test_wrappers_of_names_are_taken_off(donor, tmp_path):
    for prefix in ("model.", "module.", "model.module.", "module.model.", "model.model.", "_orig_mod."):
        state = {prefix + name: value for name, value in floating(donor).items()}
        for content in (
            state,
            {"ema_state_dict": state, "state_dict": {}},
            {"ema": {"module": state, "updates": 3}},
        ):
            torch.save(content, tmp_path / "w.pt")
            assert read_weights(tmp_path / "w.pt").state.keys() == floating(donor).keys()


def test_unknown_classes_load_by_position_or_not_at_all(donor):
    same, other, before = fresh(3), fresh(2), fresh(2)
    report = load_weights(same, weights_of(donor), NANO, "xyz")
    assert report.complete and report.classes_carried is None and equal(same, donor)
    report = load_weights(other, weights_of(donor), NANO, "xy")
    assert sorted(report.parts["head"].mismatched) == sorted(LAYERS)
    assert report.parts["head"].mismatched["head.class_preds.0.bias"] == ((3,), (2,))
    assert all(torch.equal(other.state_dict()[k], before.state_dict()[k]) for k in LAYERS)


def test_names_that_contradict_the_layers_are_refused(donor):
    with pytest.raises(ValueError, match=r"donor\.pt contradicts itself: it names 2 .* for 3"):
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


# Reports and refusals


def test_report_by_part(donor):
    state = dict(weights_of(donor).state)
    del state["neck.lateral_coarse.conv.weight"], state["neck.lateral_coarse.bn.bias"]
    state["backbone.stem.conv.conv.weight"] = torch.zeros(24, 12, 3, 3)
    state["head.extra"] = torch.zeros(4)
    report = load_weights(fresh(2), Weights("w.pt", state, ("a", "b", "c")), NANO, ("c", "x"))
    backbone, neck, head = report.parts.values()
    assert backbone.mismatched == {"backbone.stem.conv.conv.weight": ((24, 12, 3, 3), (16, 12, 3, 3))}
    assert neck.missing == ("neck.lateral_coarse.conv.weight", "neck.lateral_coarse.bn.bias")
    assert report.unused == ("head.extra",) and not report.complete
    # One row of two in each of 3 levels is fresh: 64 weights and a bias; the stem has 16*12*3*3 weights.
    assert head.parameters - head.loaded_parameters == 3 * (64 + 1)
    assert backbone.parameters - backbone.loaded_parameters == 16 * 12 * 3 * 3
    text = report.text()
    assert "backbone  loaded 234 of 235 tensors (0.46 M of 0.47 M parameters)" in text
    assert "[24, 12, 3, 3] in the file, [16, 12, 3, 3] here" in text
    assert "2 not in the file: neck.lateral_coarse.conv.weight" in text
    assert "classes carried over: c\nclasses that start fresh: x" in text
    assert "not used: 1 tensors of the file (head.extra)" in text


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
        (None, "abcd", r"donor.pt has 3 classes, --classes names 4: give the class list"),
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
