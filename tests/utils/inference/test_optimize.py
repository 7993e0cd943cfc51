"""Detectors made ready for inference."""

import pytest
import torch
from torch import nn

from nets import build_detector
from nets.common.structures import Candidates
from tests.nets.batches import random_images
from utils.inference.detect import find_candidates
from utils.inference.optimize import _agree, for_inference, is_accurate


@pytest.fixture(scope="module")
def detector():
    torch.manual_seed(0)
    return build_detector("yolox_nano", 3).eval()


@pytest.mark.parametrize("name", ["yolox_nano", "yolov9_t", "yolov4_tiny"])
def test_16_bit_floats_find_nearly_the_same(name):
    torch.manual_seed(0)
    detector = build_detector(name, 3).eval()
    images = random_images(2, 64, 64)
    expected = find_candidates(for_inference(detector, None), images, None)
    found = find_candidates(for_inference(detector, torch.bfloat16), images, torch.bfloat16)
    assert found.scores.dtype == found.boxes.dtype == torch.float32
    torch.testing.assert_close(found.scores, expected.scores, rtol=0.05, atol=0.01)


def test_the_detector_itself_is_left_alone(detector):
    before = {name: value.clone() for name, value in detector.state_dict().items()}
    ready = for_inference(detector, torch.bfloat16)
    assert all(torch.equal(value, before[name]) for name, value in detector.state_dict().items())
    assert all(value.requires_grad for value in detector.parameters())
    kinds = {type(m): m.weight.dtype for m in ready.modules() if isinstance(m, nn.Conv2d)}
    assert set(kinds.values()) == {torch.bfloat16}


def both(detector):
    """For float32, and for bfloat16."""
    return [for_inference(detector, autocast) for autocast in (None, torch.bfloat16)]


def test_accuracy_is_checked(detector):
    assert is_accurate(*both(detector), torch.bfloat16, (64, 64))
    wild = build_detector("yolox_nano", 3).eval()
    for module in wild.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.weight.data.mul_(1e4)  # beyond what 16 bits resolve
    assert not is_accurate(*both(wild), torch.bfloat16, (64, 64))


def test_what_agrees():
    box = torch.tensor([[[10.0, 10.0, 20.0, 20.0]]])
    score = torch.tensor([[[0.5, 0.1]]])
    one = Candidates(box, score)
    assert _agree(one, Candidates(box + 0.2, score + 0.2))
    assert not _agree(one, Candidates(box + 2, score))
    assert not _agree(one, Candidates(box, score + 0.3))
    assert not _agree(one, Candidates(box, score * torch.nan)) and not _agree(
        one, Candidates(box * torch.nan, score)
    )
    assert _agree(one, Candidates(box.repeat(1, 2, 1), score.repeat(1, 2, 1)))
