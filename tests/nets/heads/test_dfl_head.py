"""The DFL head: any number of levels, YOLOX's weights, its initial outputs, and decoding."""

import math

import pytest
import torch

from nets import build_detector, preset
from nets.heads.dfl_head import BINS, decode_dfl, decode_dfl_boxes
from tests.nets.batches import random_images, targets
from tests.nets.raw_outputs import DFL_CELL, IMPOSSIBLE, dfl_raw
from utils.weights.load_weights import load_weights
from utils.weights.read_weights import Weights


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("yolox_nano", "dfl"),
        ("yolox_nano", "dfl_nano"),
        ("yolov4_tiny", "dfl"),
        ("yolov4_tiny", "dfl_yolov9"),
    ],
)
def test_every_parameter_learns_on_two_and_three_levels(name, head):
    torch.manual_seed(0)
    detector = build_detector(name, 3, head=head).train()
    objects = [(n % 3, (x, x, x + size, x + size)) for n, size in enumerate((30, 70, 150)) for x in (0, 90)]
    sum(detector.losses(random_images(2, 256, 256), targets(objects, [])).values()).backward()
    missing = [name for name, p in detector.named_parameters() if p.grad is None or not p.grad.any()]
    assert not missing


@pytest.mark.parametrize("head", ["dfl", "dfl_nano", "dfl_yolov9"])
def test_a_fresh_head_proposes_boxes_of_four_cells_and_five_objects_a_level(head):
    torch.manual_seed(0)
    detector = build_detector("yolox_nano", 2, head=head).eval()
    with torch.no_grad():
        raw = detector(random_images(1, 128, 128))
        widths = (decode_dfl_boxes(raw)[0, :, 2:] - decode_dfl_boxes(raw)[0, :, :2]) / raw.strides[:, None]
        scores = raw.classes.sigmoid().sum(dim=-1)[0]
    assert widths.mean().item() == pytest.approx(4, abs=0.3)
    for stride in (8, 16, 32):
        cells = (640 // stride) ** 2
        assert scores[raw.strides == stride].mean().item() * cells == pytest.approx(5, rel=0.3)


def test_yolox_weights_give_all_but_the_predictors_of_boxes():
    torch.manual_seed(0)
    donor = build_detector("yolox_nano", 3)
    names = "abc"
    model = preset("yolox_nano", head="dfl_nano")
    detector = build_detector("yolox_nano", 3, head="dfl_nano")
    report = load_weights(detector, Weights("donor.pt", donor.state_dict(), tuple(names)), model, names)
    head = report.parts["head"]
    assert not head.mismatched and all(name.startswith("head.distance_preds.") for name in head.missing)
    assert len(head.missing) == 6 and torch.equal(
        detector.head.box_convs[1][0].depthwise.conv.weight, donor.head.box_convs[1][0].depthwise.conv.weight
    )


def test_decoding_by_hand():
    raw = dfl_raw()
    raw.distances[0, DFL_CELL] = torch.tensor([IMPOSSIBLE] * BINS)
    raw.distances[0, DFL_CELL, 0, 15] = 0  # left: 15 strides
    raw.distances[0, DFL_CELL, 1, 0] = 0  # top: none
    raw.distances[0, DFL_CELL, 2, :] = 0  # right: uniform, 7.5
    raw.distances[0, DFL_CELL, 3, 2:4] = torch.tensor(
        [math.log(3), 0]
    )  # bottom: 2 in three of four cases, 2.25
    raw.classes[0, DFL_CELL, 1] = math.log(3)
    boxes, scores = decode_dfl(raw)
    expected = torch.tensor([24.0 - 15 * 16, 40, 24 + 7.5 * 16, 40 + 2.25 * 16])
    torch.testing.assert_close(boxes[0, DFL_CELL], expected)
    torch.testing.assert_close(scores[0, DFL_CELL], torch.tensor([0.5, 0.75]))
