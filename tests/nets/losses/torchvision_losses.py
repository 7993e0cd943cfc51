"""Batches and outputs on which the losses are compared with torchvision's."""

import torch
from torch import nn

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
    """Assert that the losses and their gradients are equal."""
    found = [ours[name] for name in names]
    expected = [theirs[name] for name in names.values()]
    torch.testing.assert_close(found, [loss.float() for loss in expected], rtol=1e-4, atol=1e-6)
    gradients, wanted = (
        torch.autograd.grad(sum(losses), outputs, retain_graph=True) for losses in (found, expected)
    )
    torch.testing.assert_close(gradients, wanted, rtol=1e-4, atol=1e-6)
