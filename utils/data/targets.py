"""The ground-truth objects of a batch, as flat arrays and as padded targets."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from nets.common.structures import Targets
from utils.data.index import DatasetIndex
from utils.data.types import Boxes, Labels


class Objects(NamedTuple):
    """The ground-truth objects of a batch as flat arrays.

    sample  int64 [N], index in the batch of each object's sample, ascending
    boxes   float64 [N, 4], xyxy in pixels of the input
    labels  int64 [N]
    """

    sample: np.ndarray
    boxes: Boxes
    labels: Labels

    def of(self, keep: np.ndarray) -> "Objects":
        """Return the objects selected by `keep`, bool [N] or indices."""
        return Objects(self.sample[keep], self.boxes[keep], self.labels[keep])


def training_objects(index: DatasetIndex, image_number: int) -> tuple[Boxes, Labels]:
    """Return the boxes of an image in original pixels, and labels, without crowds and difficult objects."""
    span = index.span(image_number)
    kept = ~(index.crowd[span] | index.difficult[span])
    return index.boxes[span][kept], index.labels[span][kept]


def join_objects(parts: Sequence[tuple[Boxes, Labels]]) -> Objects:
    """Return the objects of a batch, given the boxes and labels of each image."""
    return Objects(
        np.repeat(np.arange(len(parts)), [len(labels) for _, labels in parts]),
        np.concatenate([np.zeros((0, 4)), *(boxes for boxes, _ in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(labels for _, labels in parts)]),
    )


def on_samples(objects: Objects, overlays: Sequence[int], samples: int) -> Objects:
    """Return the objects by sample: objects of canvas `samples + k` move to sample `overlays[k]` (mixup)."""
    if not overlays:
        return objects
    sample = np.concatenate([np.arange(samples), overlays])[objects.sample]
    return objects._replace(sample=sample).of(np.argsort(sample, kind="stable"))


def mirror_objects(objects: Objects, flip: np.ndarray, width: int) -> Objects:
    """Return the objects, mirrored left to right in samples where `flip`, bool [B], is set."""
    boxes = objects.boxes.copy()
    turned = flip[objects.sample]
    boxes[turned, 0::2] = width - objects.boxes[turned][:, 2::-2]
    return objects._replace(boxes=boxes)


def pad_targets(objects: Objects, samples: int) -> Targets:
    """Return the objects, ordered by sample, as padded targets.

    The padded length is a multiple of 8, so that it rarely changes: each new length recompiles the step.
    """
    counts = np.bincount(objects.sample, minlength=samples)
    length = max(8, -(-int(counts.max(initial=0)) // 8) * 8)
    column = np.arange(len(objects.sample)) - np.repeat(np.cumsum(counts) - counts, counts)
    boxes = np.zeros((samples, length, 4), np.float32)
    labels = np.zeros((samples, length), np.int64)
    valid = np.zeros((samples, length), np.bool_)
    boxes[objects.sample, column] = objects.boxes
    labels[objects.sample, column] = objects.labels
    valid[objects.sample, column] = True
    return Targets(torch.from_numpy(boxes), torch.from_numpy(labels), torch.from_numpy(valid))
