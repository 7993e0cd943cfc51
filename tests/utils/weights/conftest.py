"""Weights to load."""

import pytest
import torch

from nets import build_detector


@pytest.fixture(scope="package")
def donor():
    """A nano for three classes, every tensor of which differs from a fresh one's."""
    torch.manual_seed(1)
    detector = build_detector("yolox_nano", 3)
    with torch.no_grad():
        for value in detector.state_dict().values():
            if value.is_floating_point():
                value.uniform_(0.5, 1.5)
    return detector
