"""Focal loss and label smoothing, and the effect of every setting on every head."""

import math

import pytest
import torch
from torch.nn import functional as F
from torchvision.ops import sigmoid_focal_loss

from nets import HEADS, LossSettings, build_detector
from nets.losses.common import binary_loss, smooth_labels, weight_by_class
from nets.losses.iou_losses import BOX_LOSSES
from tests.nets.batches import random_images, targets


def test_focal_loss_is_torchvisions():
    generator = torch.Generator().manual_seed(0)
    logits = 4 * torch.randn(50, 7, generator=generator)
    wanted = torch.randint(0, 2, (50, 7), generator=generator).float()
    torch.testing.assert_close(binary_loss(logits, wanted, focal=True), sigmoid_focal_loss(logits, wanted))
    plain = F.binary_cross_entropy_with_logits(logits, wanted, reduction="none")
    torch.testing.assert_close(binary_loss(logits, wanted, focal=False), plain)


def test_focal_loss_between_0_and_1_by_hand():
    """Probability 3/4 where 1/2 is wanted: share (.25 + .75) / 2, times (1/4)^2, times the entropy."""
    entropy = -(math.log(0.75) + math.log(0.25)) / 2
    found = binary_loss(torch.tensor(math.log(3)), torch.tensor(0.5), focal=True)
    assert found.item() == pytest.approx(0.5 / 16 * entropy)


def test_smoothing_by_hand():
    assert smooth_labels(torch.tensor([0.0, 1.0, 0.5]), 0.2).tolist() == pytest.approx([0.1, 0.9, 0.5])
    assert smooth_labels(torch.tensor([0.0, 1.0]), 0.0).tolist() == [0, 1]


@pytest.fixture(scope="module", params=HEADS)
def head_losses(request):
    """The losses of a detector with each head and given settings, always with the same weights."""
    name = next(name for name in ("yolox_nano", "yolov4_tiny") if _fits(name, request.param))

    def losses(empty=False, **settings):
        torch.manual_seed(0)
        detector = build_detector(name, 3, head=request.param, loss=LossSettings(**settings))
        objects = [(1, (10.0, 20, 60, 50)), (0, (30.0, 30, 90, 80))]
        wanted = targets([], [], entries=2) if empty else targets(objects, objects[:1])
        return detector.eval().losses(random_images(2, 96, 96), wanted)

    return losses


def _fits(name, head):
    try:
        build_detector(name, 3, head=head)
    except ValueError:
        return False
    return True


@pytest.mark.parametrize("box", BOX_LOSSES)
def test_the_box_loss_changes_the_box_component_alone(head_losses, box):
    one, other = head_losses(box_loss=box), head_losses(box_loss="iou" if box != "iou" else "giou")
    assert one["box"] != other["box"]
    assert all(torch.equal(one[name], other[name]) for name in one if name != "box")


def test_smoothing_changes_the_classes_alone(head_losses):
    plain, smooth = head_losses(), head_losses(label_smoothing=0.1)
    assert plain["class"] != smooth["class"]
    assert all(torch.equal(plain[name], smooth[name]) for name in plain if name != "class")


def test_class_weights_by_hand():
    losses, labels = torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([[0, 2], [1, 0]])
    assert weight_by_class(losses, labels, (0.5, 1.0, 3.0)).tolist() == [[0.5, 6.0], [3.0, 2.0]]
    assert weight_by_class(losses, labels, None) is losses


def test_a_class_weight_is_how_often_its_objects_count(head_losses):
    """There are objects of classes 0 and 1, none of class 2; negative samples have no weight."""
    plain = head_losses(class_weights=(1.0, 1.0, 1.0))
    assert all(torch.equal(plain[name], loss) for name, loss in head_losses().items())

    def gain(*weights):
        losses = head_losses(class_weights=weights)
        assert all(torch.equal(plain[name], losses[name]) for name in plain if name != "class")
        return (losses["class"] - plain["class"]).item()

    first, second = gain(2.0, 1.0, 1.0), gain(1.0, 2.0, 1.0)
    assert first > 0.05 and second > 0.05 and gain(1.0, 1.0, 5.0) == 0
    assert gain(4.0, 1.5, 1.0) == pytest.approx(3 * first + second / 2, rel=1e-4)


def test_what_holds_no_object_has_no_class_weight(head_losses):
    plain, weighed = head_losses(empty=True), head_losses(empty=True, class_weights=(3.0, 4.0, 5.0))
    assert all(torch.equal(plain[name], weighed[name]) for name in plain)


def test_focal_lowers_what_classes_and_objectness_lose(head_losses):
    plain, focal = head_losses(), head_losses(focal=True)
    for name in plain:
        assert focal[name] < plain[name] if name in ("class", "objectness") else focal[name] == plain[name]
