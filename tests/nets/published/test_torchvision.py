"""Published torchvision checkpoints give the same detections in our detectors as in torchvision's."""

import pytest
import torch
from torch import nn
from torchvision.ops import FrozenBatchNorm2d

from nets import ZOO, build_detector
from nets.published.published import from_published
from nets.published.torchvision import _CATEGORIES, _USED, torchvision_to_our_name
from tests.helpers import ROOT
from tests.nets.batches import random_images
from tests.nets.published.torchvision_models import (
    BUILDERS,
    UNUSED,
    image_size,
    random_model,
    silence_unused_classes,
)
from utils.inference.nms import nms

FIXED = [name for name, entry in ZOO.items() if entry.builder is not None]


@pytest.fixture(scope="module", params=FIXED)
def pair(request):
    """Name, torchvision's network, and ours with its weights."""
    theirs = random_model(request.param)
    silence_unused_classes(theirs)
    with torch.device("meta"):
        ours = build_detector(request.param, 80).eval()
    found = from_published(floating(theirs), request.param)
    assert shapes(found) == shapes(floating(ours))
    ours.load_state_dict(found, strict=False, assign=True)  # the counters of BatchNorm are no weights
    return request.param, theirs, ours


def floating(module):
    return {key: value for key, value in module.state_dict().items() if value.is_floating_point()}


def shapes(state):
    return {key: value.shape for key, value in state.items()}


def test_detections_are_torchvisions(pair):
    """torchvision's whole pipeline with its own NMS, and ours, at a threshold that 700 pairs reach."""
    name, theirs, ours = pair
    height, width = image_size(name)
    images = random_images(2, height, width)
    part = theirs.roi_heads if name == "fasterrcnn" else theirs
    with torch.no_grad():
        candidates = ours.detect(images)
        scores = candidates.scores.amax(dim=2).flatten().unique()
        threshold = scores[-700:-698].mean().item()  # between two, since equal to one decides ties
        part.score_thresh, part.nms_thresh, part.topk_candidates = threshold, 0.5, 10_000
        part.detections_per_img = 10_000
        theirs_found = theirs([image / 255 for image in images])
    used = torch.tensor([row for row in range(91) if row not in UNUSED])
    for kept, wanted in zip(nms(candidates, threshold, 0.5, 10_000), theirs_found, strict=True):
        has_area = (kept.boxes[:, 2:] - kept.boxes[:, :2] >= 0.01).all(dim=1) | (name != "fasterrcnn")
        found = {"boxes": kept.boxes, "scores": kept.scores, "labels": used[kept.labels]}
        assert_same(
            {key: value[has_area] for key, value in found.items()},
            {key: value[torch.isin(wanted["labels"], used)] for key, value in wanted.items()},
        )


def assert_same(found, wanted):
    """Assert that detections are equal, but for the order of equal scores."""
    assert 20 < len(found["scores"]) == len(wanted["scores"]) < 700
    torch.testing.assert_close(
        found["scores"], wanted["scores"].sort(descending=True).values, rtol=1e-4, atol=1e-6
    )
    near = (found["boxes"][:, None] - wanted["boxes"]).abs().amax(dim=-1) < 0.02
    same = near & (found["labels"][:, None] == wanted["labels"])
    assert same.any(dim=1).all() and same.any(dim=0).all()


def test_the_80_categories_are_ours_in_order():
    names = (ROOT / "model_data" / "coco_classes.txt").read_text("utf-8").split("\n")
    categories = [_CATEGORIES[row] for row in _USED]
    assert categories == [name for name in names if name]


OLDER = {  # names of published files -> today's, as torchvision itself reads them
    "fasterrcnn": {
        "backbone.fpn.inner_blocks.3.weight": "backbone.fpn.inner_blocks.3.0.weight",
        "backbone.fpn.layer_blocks.0.bias": "backbone.fpn.layer_blocks.0.0.bias",
        "rpn.head.conv.weight": "rpn.head.conv.0.0.weight",
    },
    "retinanet": {
        "backbone.fpn.layer_blocks.2.weight": "backbone.fpn.layer_blocks.2.0.weight",
        "head.classification_head.conv.6.bias": "head.classification_head.conv.3.0.bias",
        "head.regression_head.conv.2.weight": "head.regression_head.conv.1.0.weight",
    },
}


@pytest.mark.parametrize("name", OLDER)
def test_names_of_older_files(name):
    with torch.device("meta"):
        ours, theirs = build_detector(name, 3).state_dict(), BUILDERS[name]().state_dict()
    for older, today in OLDER[name].items():
        found = torchvision_to_our_name(older, name)
        assert today in theirs and found in ours
        assert found == torchvision_to_our_name(today, name)


@pytest.mark.parametrize("name", FIXED)
def test_rows_of_other_class_numbers_stay(name):
    """For checkpoints trained with torchvision on other classes."""
    with torch.device("meta"):
        theirs = build_detector(name, 5).state_dict()
    official = {as_official(key, name): value for key, value in theirs.items()}
    assert official.keys() != theirs.keys()
    assert shapes(from_published(official, name)) == shapes(theirs)


def as_official(key, name):
    """torchvision's name for ours, written apart from nets/published/torchvision.py."""
    part, rest = key.split(".", 1)
    if part == "backbone" and name == "ssd300_vgg16":
        return key.replace("blocks.0.", "features.").replace("blocks.1.", "extra.0.")
    if part == "backbone":
        return key.replace("blocks.", "features.")
    if part == "neck" and rest == "scale":
        return "backbone.scale_weight"
    if part == "neck" and name == "ssd300_vgg16":
        _, level, rest = rest.split(".", 2)
        return f"backbone.extra.{int(level) + 1}.{rest}"
    return rest if name == "fasterrcnn" and part == "head" else key.replace("neck.", "backbone.")


def test_others_are_not_taken_for_torchvisions():
    with torch.device("meta"):
        ours, yolox = (build_detector(name, 3).state_dict() for name in ("fcos", "yolox_nano"))
        theirs = BUILDERS["fcos"]().state_dict()
    assert from_published(ours, "fcos") is None and from_published(yolox, "fcos") is None
    assert from_published(theirs, "yolox_nano") is None


def test_a_deviation_of_nearly_nothing_counts_as_published():
    """The two older networks have no epsilon, which changes some channels completely."""
    theirs, ours = FrozenBatchNorm2d(4, eps=0.0), nn.BatchNorm2d(4).eval()
    theirs.running_var.copy_(torch.tensor([1e-8, 1e-5, 0.1, 10.0]))
    state = {f"backbone.body.bn1.{key}": value for key, value in theirs.state_dict().items()}
    rows = {"backbone.fpn.x": torch.zeros(1), "roi_heads.box_predictor.cls_score.bias": torch.zeros(91)}
    found = from_published(state | rows, "fasterrcnn")
    ours.load_state_dict(
        {key: found[f"backbone.body.bn1.{key}"] for key in theirs.state_dict()}, strict=False
    )
    x = torch.randn(2, 4, 3, 3) * theirs.running_var.sqrt().view(1, -1, 1, 1)
    torch.testing.assert_close(ours(x), theirs(x), rtol=1e-4, atol=1e-4)
    assert torch.equal(from_published(state | rows, "fcos")["backbone.body.bn1.weight"], torch.ones(4))
