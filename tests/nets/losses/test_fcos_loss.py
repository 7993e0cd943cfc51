"""The losses of FCOS: equal to torchvision's, and label assignment by hand."""

import pytest
import torch
from torchvision.models.detection.anchor_utils import AnchorGenerator
from torchvision.models.detection.fcos import FCOS

from nets.heads.anchors import anchor_grid
from nets.heads.torchvision_heads import PointRaw
from nets.losses.fcos_loss import assign_points, centreness_targets, fcos_loss
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


def points_raw(boxes, classes, centreness, anchors):
    points, strides = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2] - anchors[:, 0]
    return PointRaw(boxes, classes, centreness, points, strides, SIZE)


@pytest.mark.parametrize("wanted", BATCHES.values(), ids=BATCHES)
def test_fcos_is_torchvisions(wanted):
    generator = AnchorGenerator(((8,), (16,), (32,)), ((1.0,),) * 3)
    model = FCOS(backbone(32), CLASSES, anchor_generator=generator)
    anchors = anchor_grid(maps(), SIZE, [cell[:, 2:].tolist() for cell in generator.cell_anchors])
    distances, classes, centreness = random_outputs(len(anchors), CLASSES)
    boxes = distances.abs() * 2  # the head gives nothing negative
    per_level = [feature.shape[2] * feature.shape[3] for feature in maps()]
    theirs = model.compute_loss(
        lists(wanted, first_label=0),
        {"bbox_regression": boxes, "cls_logits": classes, "bbox_ctrness": centreness},
        [anchors] * 3,
        per_level,
    )
    ours = fcos_loss(points_raw(boxes, classes, centreness.squeeze(-1), anchors), wanted)
    names = {"box": "bbox_regression", "class": "classification", "centre": "bbox_ctrness"}
    agree(ours, theirs, names, [distances, classes, centreness])


@pytest.mark.parametrize(
    ("box", "point", "taken"),
    [
        ((30.0, 30.0, 50.0, 50.0), (40.0, 40.0, 8.0), True),
        ((30.0, 30.0, 50.0, 50.0), (32.0, 32.0, 8.0), True),  # 8 from the centre, within 1.5 strides
        ((30.0, 30.0, 70.0, 50.0), (32.0, 40.0, 8.0), False),  # 18 from the centre
        ((30.0, 30.0, 50.0, 50.0), (48.0, 56.0, 8.0), False),  # outside
        ((0.0, 0.0, 80.0, 80.0), (40.0, 40.0, 8.0), True),  # 40 to each side: less than 8 strides
        ((0.0, 0.0, 128.0, 96.0), (64.0, 48.0, 8.0), False),  # 64 to the left: 8 strides
        ((0.0, 0.0, 128.0, 96.0), (64.0, 48.0, 16.0), False),  # 64 is 4 strides, and must be more
        ((-1.0, 0.0, 129.0, 96.0), (64.0, 48.0, 16.0), True),
    ],
)
def test_fcos_takes_points_within_near_the_centre_on_the_level_of_the_size(box, point, taken):
    grid = anchor_grid(maps(), SIZE, [[[4.0, 4.0]], [[8.0, 8.0]], [[16.0, 16.0]]])
    raw = points_raw(torch.zeros(1), torch.zeros(1), torch.zeros(1), grid)
    index = ((raw.points == torch.tensor(point[:2])).all(dim=1) & (raw.strides == point[2])).nonzero().item()
    found = assign_points(raw, targets([(0, box)]))
    assert found.positive[0, index].item() == taken and found.positive.any()


def test_fcos_gives_a_point_the_smaller_object():
    grid = anchor_grid(maps(), SIZE, [[[4.0, 4.0]], [[8.0, 8.0]], [[16.0, 16.0]]])
    raw = points_raw(torch.zeros(1), torch.zeros(1), torch.zeros(1), grid)
    found = assign_points(raw, targets([(0, (20.0, 20.0, 60.0, 60.0)), (1, (30.0, 30.0, 50.0, 50.0))]))
    at = ((raw.points == 40).all(dim=1) & (raw.strides == 8)).nonzero().item()
    assert found.positive[0, at] and found.target[0, at] == 1


def test_centreness_by_hand():
    boxes = torch.tensor([[[0.0, 0.0, 8.0, 8.0], [0.0, 0.0, 16.0, 8.0], [0.0, 0.0, 0.0, 0.0]]])
    points = torch.tensor([[4.0, 4.0], [4.0, 4.0], [0.0, 0.0]])
    found = centreness_targets(points, boxes)
    torch.testing.assert_close(found[0, :2], torch.tensor([1.0, (4 / 12) ** 0.5]))
    assert found.isfinite().all()  # padding too
