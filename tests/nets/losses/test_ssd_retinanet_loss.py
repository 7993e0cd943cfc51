"""The losses of SSD and RetinaNet: equal to torchvision's, and label assignment by hand."""

import pytest
import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from nets.assigners.iou_matcher import Matches, match_anchors
from nets.heads.anchors import anchor_grid
from nets.heads.torchvision_heads import DenseRaw
from nets.losses.ssd_retinanet_loss import forced_objects, hard_negatives, retinanet_loss, ssd_loss
from tests.nets.batches import targets
from tests.nets.losses.torchvision_losses import (
    BATCHES,
    CLASSES,
    SIZE,
    agree,
    backbone,
    lists,
    maps,
    random_outputs,
)


@pytest.mark.parametrize("wanted", BATCHES.values(), ids=BATCHES)
def test_ssd_is_torchvisions(wanted):
    generator = DefaultBoxGenerator([[2], [2, 3], [2]], scales=[0.1, 0.3, 0.6, 0.9])
    model = SSD(backbone(1), generator, SIZE, CLASSES + 1, head=nn.Identity())
    anchors = generator(ImageList(torch.zeros(3, 3, *SIZE), [SIZE] * 3), maps())
    boxes, classes, _ = outputs = random_outputs(len(anchors[0]), CLASSES + 1)
    objects = lists(wanted, first_label=1)
    matched = [
        model.proposal_matcher(box_iou(one["boxes"], anchors[0]))
        if len(one["boxes"])
        else torch.full((len(anchors[0]),), -1)
        for one in objects
    ]
    theirs = model.compute_loss(objects, {"bbox_regression": boxes, "cls_logits": classes}, anchors, matched)
    ours = ssd_loss(DenseRaw(boxes, classes, anchors[0], SIZE), wanted)
    agree(ours, theirs, {"box": "bbox_regression", "class": "classification"}, outputs[:2])


@pytest.mark.parametrize("wanted", BATCHES.values(), ids=BATCHES)
def test_retinanet_is_torchvisions(wanted):
    generator = AnchorGenerator(((8, 12), (24, 32), (48, 64)), ((0.5, 1.0, 2.0),) * 3)
    model = RetinaNet(backbone(8), CLASSES, anchor_generator=generator)
    anchors = anchor_grid(maps(), SIZE, [cell[:, 2:].tolist() for cell in generator.cell_anchors])
    boxes, classes, _ = outputs = random_outputs(len(anchors), CLASSES)
    theirs = model.compute_loss(
        lists(wanted, first_label=0), {"bbox_regression": boxes, "cls_logits": classes}, [anchors] * 3
    )
    ours = retinanet_loss(DenseRaw(boxes, classes, anchors, SIZE), wanted)
    agree(ours, theirs, {"box": "bbox_regression", "class": "classification"}, outputs[:2])


# By hand


def test_ssd_forces_the_best_anchor_of_each_object():
    matches = Matches(
        torch.zeros(1, 4), torch.zeros(1, 4, dtype=torch.int64), torch.zeros(1, 4, dtype=torch.bool),
        torch.tensor([[2, 0, 2, 4]]),
    )  # fmt: skip
    assert forced_objects(matches).tolist() == [[1, -1, 2, -1]]  # anchor 2 is claimed twice; 4 is none


def test_ssd_counts_the_three_worst_of_the_background_for_each_positive():
    loss = torch.tensor([[5.0, 1, 2, 9, 3, 4], [5, 1, 2, 9, 3, 4]])
    positive = torch.tensor([[True, False, False, False, False, False], [False] * 6])
    assert hard_negatives(loss, positive).tolist() == [[False, False, False, True, True, True], [False] * 6]


def test_an_object_without_area_or_out_of_sight_leaves_the_losses_finite():
    anchors = torch.tensor([[0.0, 0, 10, 10], [10, 10, 20, 20]])
    wanted = targets([(1, (5.0, 5.0, 5.0, 9.0)), (2, (300.0, 300.0, 340.0, 320.0))])
    raw = DenseRaw(torch.zeros(1, 2, 4), torch.zeros(1, 2, CLASSES), anchors, SIZE)
    assert not match_anchors(anchors, wanted).is_best.any()
    for loss in (ssd_loss, retinanet_loss):
        losses = loss(raw, wanted)
        assert losses["box"] == 0 and losses["class"].isfinite()
