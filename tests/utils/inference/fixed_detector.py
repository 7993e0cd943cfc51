"""A detector whose candidates are always the same."""

import torch
from torch import nn

from nets.common.preprocess import PixelFormat
from nets.common.structures import Candidates


class FixedDetector(nn.Module):
    """On every image a box of 16..32 x 16..48, and one with a lower score."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.pixels, self.device = PixelFormat(), torch.device("cpu")
        self.sizes = []

    def detect(self, images):
        self.sizes.append(len(images))
        boxes = torch.tensor([[16.0, 16.0, 32.0, 48.0], [0.0, 0.0, 99.0, 8.0]]).repeat(len(images), 1, 1)
        scores = torch.tensor([[0.0, 0.75], [0.25, 0.0]]).repeat(len(images), 1, 1)
        return Candidates(boxes, scores)
