"""Faster R-CNN compared with torchvision's, and its decoding by hand."""

import pytest
import torch

from nets import build_detector
from nets.heads.faster_rcnn import RCNNRaw, as_lists, decode_rcnn, losses_need_objects
from nets.published.published import from_published
from tests.nets.batches import random_images, targets
from tests.nets.published.torchvision_models import UNUSED, image_size, random_model, silence_unused_classes


def test_losses_are_torchvisions():
    """Both sample anchors and proposals at random, the same with the same seed."""
    theirs = random_model("fasterrcnn")
    silence_unused_classes(theirs)
    ours = build_detector("fasterrcnn", 80)
    ours.load_state_dict(from_published(theirs.state_dict(), "fasterrcnn"), strict=False)
    ours.eval().head.train()  # BatchNorm still, as torchvision's frozen one
    images = random_images(2, *image_size("fasterrcnn"))
    wanted = targets([(0, (10.0, 20.0, 70.0, 90.0)), (79, (60.0, 5.0, 120.0, 50.0))], [])
    rows = torch.tensor([row for row in range(91) if row not in UNUSED])
    objects = [{**one, "labels": rows[one["labels"] - 1]} for one in as_lists(wanted)]
    theirs.transform.torch_choice = lambda sizes: sizes[0]  # it draws the size of each image
    torch.manual_seed(7)
    expected = theirs.train()([image / 255 for image in images], objects)
    torch.manual_seed(7)
    found = ours.losses(images, wanted)
    names = {
        "objectness": "loss_objectness",
        "proposal": "loss_rpn_box_reg",
        "class": "loss_classifier",
        "box": "loss_box_reg",
    }
    assert found.keys() == names.keys()
    for name, value in found.items():
        assert value.item() == pytest.approx(expected[names[name]].item(), rel=1e-3), name


def test_decoding_by_hand():
    """Two proposals, one of them padding; two classes, each with a box of its own."""
    proposals = torch.tensor([[[10.0, 10.0, 30.0, 30.0], [0.0, 0.0, 0.0, 0.0]]])
    codes = torch.zeros(1, 2, 3, 4)
    codes[0, 0, 1, 0] = 5.0  # the first class's: half a width to the right (5 / 10 * 20 pixels)
    codes[0, 0, 2, 1] = 20.0  # the second class's: 40 pixels down, over the border
    logits = torch.tensor([[[0.0, 1.0, 2.0], [9.0, 9.0, 9.0]]])
    raw = RCNNRaw(proposals, torch.tensor([[True, False]]), logits, codes, (64, 64))
    found = decode_rcnn(raw)
    shares = torch.tensor([1.0, 2.0]).exp() / torch.tensor([0.0, 1.0, 2.0]).exp().sum()
    torch.testing.assert_close(found.scores[0, :2], torch.tensor([[0, shares[1]], [shares[0], 0]]))
    assert found.boxes[0, :2].tolist() == [[10, 50, 30, 64], [20, 10, 40, 30]]
    assert not found.scores[0, 2:].any()


def test_objects_are_listed_without_padding_and_boxes_without_area():
    wanted = targets([(0, (1.0, 2.0, 3.0, 4.0)), (1, (5.0, 5.0, 5.0, 9.0))], [], entries=3)
    first, second = as_lists(wanted)
    assert first["boxes"].tolist() == [[1, 2, 3, 4]] and first["labels"].tolist() == [1]
    assert second["boxes"].shape == (0, 4)


def test_raw_outputs_alone_have_no_loss():
    with torch.device("meta"):
        detector = build_detector("fasterrcnn", 3)
    assert detector.loss is losses_need_objects
    with pytest.raises(AssertionError, match="call `losses`"):
        detector.loss(None, None)
