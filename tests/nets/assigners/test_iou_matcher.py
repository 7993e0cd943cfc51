"""IoU matching by hand, and compared with plain loops."""

import torch
from torchvision.ops import box_iou

from nets.assigners.iou_matcher import match_anchors, real_objects
from tests.nets.batches import targets

ANCHORS = torch.tensor([[0.0, 0, 10, 10], [0, 0, 20, 10], [20, 20, 30, 30], [50, 50, 60, 60]])


def test_by_hand():
    objects = [(0, (0.0, 0.0, 10.0, 5.0)), (1, (0.0, 0.0, 15.0, 10.0)), (2, (0.0, 0.0, 0.0, 9.0))]
    found = match_anchors(ANCHORS, targets(objects, entries=5))
    # The first object covers half of anchor 0 and a quarter of anchor 1; the second 2/3 and 3/4.
    torch.testing.assert_close(found.overlap, torch.tensor([[2 / 3, 3 / 4, 0, 0]]))
    assert found.target.tolist() == [[1, 1, 0, 0]]
    assert found.is_best.tolist() == [[True, True, False, False]]
    assert found.best_anchor.tolist() == [[0, 1, 4, 4, 4]]  # no area, padding: none


def test_equal_anchors_are_all_the_best_and_the_first_is_named():
    anchors = torch.tensor([[0.0, 0, 10, 10], [10, 0, 20, 10], [40, 40, 50, 50]])
    found = match_anchors(anchors, targets([(0, (5.0, 0.0, 15.0, 10.0))]))
    assert found.is_best.tolist() == [[True, True, False]] and found.best_anchor.tolist() == [[0]]


def test_no_objects():
    found = match_anchors(ANCHORS, targets([], [], entries=3))
    assert not found.overlap.any() and not found.target.any() and not found.is_best.any()
    assert (found.best_anchor == 4).all()


def test_many_objects_agree_with_torchvisions_overlap():
    """More than are compared at once."""
    generator = torch.Generator().manual_seed(0)
    corners = torch.rand(240, 2, generator=generator) * 200
    boxes = torch.cat((corners, corners + 5 + torch.rand(240, 2, generator=generator) * 60), dim=1)
    anchors, first, second = boxes[:150], boxes[150:195], boxes[195:]
    listed = [[(0, tuple(box.tolist())) for box in group] for group in (first, second[:5])]
    found = match_anchors(anchors, targets(*listed))
    for image, objects in enumerate((first, second[:5])):
        iou = box_iou(objects, anchors)
        torch.testing.assert_close(found.overlap[image], iou.max(dim=0).values)
        touched = iou.max(dim=0).values > 0
        assert torch.equal(found.target[image][touched], iou.max(dim=0).indices[touched])
        assert torch.equal(found.best_anchor[image, : len(objects)], iou.max(dim=1).indices)
        best = torch.zeros(150, dtype=torch.bool)
        best[iou.max(dim=1).indices] = True
        assert torch.equal(found.is_best[image], best)


def test_of_many_equal_objects_the_first_is_taken():
    """Also for more objects than are compared at once."""
    found = match_anchors(ANCHORS, targets([(0, (0.0, 0.0, 10.0, 10.0))] * 40))
    assert found.target.tolist() == [[0, 0, 0, 0]] and found.best_anchor.tolist() == [[0] * 40]


def test_padding_and_boxes_without_area_are_no_objects():
    found = real_objects(targets([(0, (1.0, 1.0, 1.0, 5.0)), (0, (1.0, 1.0, 2.0, 5.0))], entries=3))
    assert found.tolist() == [[False, True, False]]
