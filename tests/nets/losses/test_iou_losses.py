"""Box losses compared with torchvision's, or by hand."""

import math

import pytest
import torch
from torchvision import ops

from nets.losses.iou_losses import BOX_LOSSES, siou_loss

THEIRS = {
    "giou": ops.generalized_box_iou_loss,
    "diou": ops.distance_box_iou_loss,
    "ciou": ops.complete_box_iou_loss,
}


def boxes(seed, number=200):
    generator = torch.Generator().manual_seed(seed)
    corner = 100 * torch.rand(number, 2, generator=generator)
    return torch.cat((corner, corner + 1 + 60 * torch.rand(number, 2, generator=generator)), dim=1)


@pytest.mark.parametrize("name", THEIRS)
def test_values_and_gradients_are_torchvisions(name):
    ours, theirs = boxes(0).requires_grad_(), boxes(0).requires_grad_()
    wanted = boxes(1)
    found, expected = BOX_LOSSES[name](ours, wanted), THEIRS[name](theirs, wanted)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    found.sum().backward()
    expected.sum().backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-3, atol=1e-5)


def test_iou_by_hand():
    found = BOX_LOSSES["iou"](torch.tensor([[0.0, 0, 4, 2]]), torch.tensor([[2.0, 0, 6, 2]]))
    assert found.item() == pytest.approx(1 - 4 / 12)


def test_siou_by_hand():
    """A 4 x 4 box; wanted is 4 x 8, moved by (3, 4) between the centres: they meet in 1 x 2 pixels.

    The nearest axis is y, at a sine of 3 / 5: angle = sin(2 asin .6) = 2 * .6 * .8 = .96, so gamma = 1.04.
    The enclosing box is 7 x 10. Distance: 2 - exp(-1.04 * (3/7)^2) - exp(-1.04 * (4/10)^2).
    Shape: the widths are equal, the heights differ by 4 of 8: (1 - exp(-1/2))^4.
    """
    box, wanted = torch.tensor([0.0, 0, 4, 4]), torch.tensor([3.0, 2, 7, 10])
    distance = 2 - math.exp(-1.04 * 9 / 49) - math.exp(-1.04 * 0.16)
    shape = (1 - math.exp(-0.5)) ** 4
    iou = 2 / (16 + 32 - 2)
    assert siou_loss(box, wanted).item() == pytest.approx(1 - iou + (distance + shape) / 2, rel=1e-5)


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_equal_boxes_cost_nothing_and_others_something(name):
    loss = BOX_LOSSES[name]
    torch.testing.assert_close(loss(boxes(0), boxes(0)), torch.zeros(200), rtol=0, atol=2e-5)
    moved = boxes(0) + torch.tensor([3.0, 1.0, 4.0, 1.0])
    assert (loss(moved, boxes(0)) > 0.005).all()


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_odd_boxes_give_finite_values_and_gradients(name):
    point, line, whole = (5.0, 5, 5, 5), (0.0, 3, 9, 3), (0.0, 0, 640, 640)
    first = torch.tensor([point, point, line, whole, whole]).requires_grad_()
    found = BOX_LOSSES[name](first, torch.tensor([point, whole, line, point, (1000.0, 1000, 1001, 1001)]))
    found.sum().backward()
    assert found.isfinite().all() and first.grad.isfinite().all()


@pytest.mark.parametrize("name", BOX_LOSSES)
def test_following_the_gradient_ends_at_the_box(name):
    wanted = torch.tensor([30.0, 40, 70, 60])
    box = torch.tensor([20.0, 30, 50, 70]).requires_grad_()
    optimizer = torch.optim.Adam([box], lr=0.3)
    for _ in range(400):
        optimizer.zero_grad()
        BOX_LOSSES[name](box, wanted).backward()
        optimizer.step()
    torch.testing.assert_close(box.detach(), wanted, rtol=0, atol=1.0)
