"""The losses of SSD, RetinaNet and FCOS beside torchvision's own, and what decides them by hand."""

import pytest
import torch
from torch import nn
from torchvision.models.detection.anchor_utils import AnchorGenerator, DefaultBoxGenerator
from torchvision.models.detection.fcos import FCOS
from torchvision.models.detection.image_list import ImageList
from torchvision.models.detection.retinanet import RetinaNet
from torchvision.models.detection.ssd import SSD
from torchvision.ops import box_iou

from nets.assigners.iou_matcher import Matches, match_anchors
from nets.heads.anchors import anchor_grid
from nets.heads.torchvision_heads import DenseRaw, PointRaw
from nets.losses.fcos_loss import assign_points, centreness_targets, fcos_loss
from nets.losses.ssd_retinanet_loss import forced_objects, hard_negatives, retinanet_loss, ssd_loss
from tests.nets.batches import targets

SIZE = (96, 128)
STRIDES = (8, 16, 32)
CLASSES = 4


def maps():
    return [torch.zeros(3, 1, SIZE[0] // stride, SIZE[1] // stride) for stride in STRIDES]


def random_objects(number, seed):
    """Objects of every size, some over the border, many overlapping."""
    generator = torch.Generator().manual_seed(seed)
    centre = torch.rand(number, 2, generator=generator) * torch.tensor([128.0, 96.0])
    size = 4 * 2 ** (torch.rand(number, 2, generator=generator) * 5)
    boxes = torch.cat((centre - size / 2, centre + size / 2), dim=1)
    return [(n % CLASSES, tuple(box)) for n, box in enumerate(boxes.tolist())]


BATCHES = {
    "three, one and none": targets(random_objects(3, 0), random_objects(1, 1), [], entries=6),
    "many": targets(random_objects(40, 2), random_objects(17, 3), random_objects(5, 4)),
    "none": targets([], [], [], entries=2),
}


def lists(wanted, first_label):
    """Objects as torchvision takes them."""
    return [
        {"boxes": boxes[valid], "labels": labels[valid] + first_label}
        for boxes, labels, valid in zip(*wanted, strict=True)
    ]


def backbone(channels):
    module = nn.Identity()
    module.out_channels = channels
    return module


def random_outputs(anchors, classes, seed=0):
    """Codes and logits of three images."""
    generator = torch.Generator().manual_seed(seed)
    shapes = (3, anchors, 4), (3, anchors, classes), (3, anchors, 1)
    return [torch.randn(shape, generator=generator).requires_grad_() for shape in shapes]


def agree(ours, theirs, names, outputs):
    """The losses and their gradients are equal."""
    found = [ours[name] for name in names]
    expected = [theirs[name] for name in names.values()]
    torch.testing.assert_close(found, [loss.float() for loss in expected], rtol=1e-4, atol=1e-6)
    gradients, wanted = (
        torch.autograd.grad(sum(losses), outputs, retain_graph=True) for losses in (found, expected)
    )
    torch.testing.assert_close(gradients, wanted, rtol=1e-4, atol=1e-6)


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


def points_raw(boxes, classes, centreness, anchors):
    points, strides = (anchors[:, :2] + anchors[:, 2:]) / 2, anchors[:, 2] - anchors[:, 0]
    return PointRaw(boxes, classes, centreness, points, strides, SIZE)


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
