"""Networks overfit eight images: after some steps they detect every object, and nothing else.

Those that need more than ten seconds are marked slow: `python -m pytest -m slow` runs them, in about an hour.
"""

import numpy as np
import pytest
import torch
from torch import nn

from nets import ZOO, build_detector, preset
from nets.common.boxes import aligned_iou
from nets.common.structures import Targets
from utils.inference.nms import nms

SIDE = 96
STEPS = 300
QUICK = (
    *(("yolox_nano", None), ("yolox_nano", "dfl_nano"), ("yolox_tiny", None)),
    *(("yolov4_tiny", None), ("yolov9_t", None), ("ssdlite320", None)),
)
SLOW = tuple((name, None) for name in ZOO if (name, None) not in QUICK)


def eight_images():
    """One or two light rectangles of class 0 and dark ones of class 1 on grey noise, uint8 [8, 3, S, S]."""
    random = np.random.default_rng(0)
    images = random.integers(110, 140, (8, SIDE, SIDE, 3)).astype(np.uint8)
    boxes, labels = np.zeros((8, 2, 4), np.float32), np.zeros((8, 2), np.int64)
    for number, image in enumerate(images):
        for half in range(2):
            width, height = random.integers(24, 42, 2)
            left = 3 + half * SIDE // 2
            top = random.integers(3, SIDE - 3 - height)
            label = (number + half) % 2
            image[top : top + height, left : left + width] = (250, 240, 200) if label == 0 else (20, 0, 40)
            boxes[number, half], labels[number, half] = (left, top, left + width, top + height), label
    valid = torch.ones(8, 2, dtype=torch.bool)
    images = torch.from_numpy(images).permute(0, 3, 1, 2).contiguous()
    return images, Targets(torch.from_numpy(boxes), torch.from_numpy(labels), valid)


def enlarged(batch, times):
    """Enlarge each pixel to a square of `times` by `times`."""
    images, targets = batch
    images = images.repeat_interleave(times, dim=2).repeat_interleave(times, dim=3)
    return images, targets._replace(boxes=targets.boxes * times)


def finds_all(detector, images, targets):
    """Whether detections above a confidence of 1/2 match each object at an IoU above 1/2, and no more."""
    detector.eval()
    with torch.no_grad():
        found = nms(detector.detect(images), 0.5, 0.5, 100)
    for kept, boxes, labels in zip(found, targets.boxes, targets.labels, strict=True):
        order = kept.boxes[:, 0].argsort()  # the objects are listed from left to right
        if not torch.equal(kept.labels[order], labels):
            return False
        if (aligned_iou(kept.boxes[order], boxes) < 0.5).any():
            return False
    return True


@pytest.mark.parametrize(
    ("name", "head"), [*QUICK, *(pytest.param(*case, marks=pytest.mark.slow) for case in SLOW)]
)
def test_eight_images_are_learned(name, head):
    torch.manual_seed(0)
    detector = build_detector(name, 2, head=head).to(memory_format=torch.channels_last)
    for module in detector.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = 0.2  # so that the statistics follow within these few steps
    images, targets = enlarged(eight_images(), -(-preset(name).smallest // SIDE))
    optimizer = torch.optim.AdamW(detector.parameters(), lr=1e-3)
    totals = []
    for step in range(1, STEPS + 1):
        detector.train()
        total = sum(detector.losses(images, targets).values())
        totals.append(total.item())
        optimizer.zero_grad()
        total.backward()
        nn.utils.clip_grad_norm_(detector.parameters(), 10.0)
        optimizer.step()
        if step % 10 == 0 and finds_all(detector, images, targets):
            break
    else:
        pytest.fail(f"in {STEPS} steps the loss went from {totals[0]:.2f} to {totals[-1]:.2f}")
    assert totals[-1] < totals[0] / 2
