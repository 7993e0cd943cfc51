"""The objects of a batch as flat arrays, and the padded targets made of them."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch

from nets.common.structures import Targets
from utils.data.index import DatasetIndex


class Objects(NamedTuple):
    """The objects of a batch.

    sample  int64 [N], which sample each is on, rising
    boxes   float64 [N, 4], xyxy in pixels of the input
    labels  int64 [N]
    """

    sample: np.ndarray
    boxes: np.ndarray
    labels: np.ndarray

    def of(self, keep: np.ndarray) -> "Objects":
        """Those that `keep`, bool [N] or positions, picks out."""
        return Objects(self.sample[keep], self.boxes[keep], self.labels[keep])


def training_objects(index: DatasetIndex, image: int) -> tuple[np.ndarray, np.ndarray]:
    """Boxes [N, 4] in original pixels and labels [N] of an image, without crowds and difficult objects."""
    span = index.span(image)
    kept = ~(index.crowd[span] | index.difficult[span])
    return index.boxes[span][kept], index.labels[span][kept]


def join_objects(parts: Sequence[tuple[np.ndarray, np.ndarray]]) -> Objects:
    """The boxes and labels of each image as the objects of a batch."""
    return Objects(
        np.repeat(np.arange(len(parts)), [len(labels) for _, labels in parts]),
        np.concatenate([np.zeros((0, 4)), *(boxes for boxes, _ in parts)]),
        np.concatenate([np.zeros(0, np.int64), *(labels for _, labels in parts)]),
    )


def on_samples(objects: Objects, overlays: Sequence[int], samples: int) -> Objects:
    """The objects of canvases as those of samples, each with what was blended over it."""
    if not overlays:
        return objects
    sample = np.concatenate([np.arange(samples), overlays])[objects.sample]
    return objects._replace(sample=sample).of(np.argsort(sample, kind="stable"))


def mirror_objects(objects: Objects, flip: np.ndarray, width: int) -> Objects:
    """The objects with those of mirrored samples, bool [B], mirrored left to right."""
    boxes = objects.boxes.copy()
    turned = flip[objects.sample]
    boxes[turned, 0::2] = width - objects.boxes[turned][:, 2::-2]
    return objects._replace(boxes=boxes)


def pad_targets(objects: Objects, samples: int) -> Targets:
    """Gather the objects, float64 in order of their samples, into one padded array.

    The length is a multiple of 8, so that it changes rarely: a compiled step is compiled anew for a new one.
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
