"""Batches shared by the tests of the networks."""

from collections.abc import Sequence

import pytest
import torch

from nets.common.structures import Targets

# On an input of 64 x 64 pixels.
odd_boxes = pytest.mark.parametrize(
    "box",
    [(10.0, 10.0, 10.0, 10.0), (0.0, 0.0, 64.0, 64.0), (31.9, 31.9, 32.1, 32.1), (-90.0, -90.0, 90.0, 90.0)],
    ids=["no area", "all", "speck", "beyond"],
)


def random_images(batch: int, height: int, width: int, seed: int = 0) -> torch.Tensor:
    """Noise, uint8 [B, 3, H, W]."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (batch, 3, height, width), dtype=torch.uint8, generator=generator)


def targets(*objects: Sequence[tuple[int, tuple[float, float, float, float]]], entries: int = 0) -> Targets:
    """One list of (label, box) for each image, padded to at least `entries`."""
    most = max(entries, *(len(o) for o in objects), 1)
    found = Targets(
        torch.zeros(len(objects), most, 4),
        torch.zeros(len(objects), most, dtype=torch.int64),
        torch.zeros(len(objects), most, dtype=torch.bool),
    )
    for image, listed in enumerate(objects):
        for number, (label, box) in enumerate(listed):
            found.boxes[image, number] = torch.tensor(box)
            found.labels[image, number] = label
            found.valid[image, number] = True
    return found
