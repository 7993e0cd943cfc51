"""The data set of evaluation: images letterboxed, nothing varied, nothing replaced."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.data.index import DatasetIndex
from utils.data.targets import join_objects, pad_targets, training_objects
from utils.images.headers import header_size
from utils.images.image_io import ImageError, read_image
from utils.images.letterbox import PAD_VALUE, Letterbox, letterbox, plan_letterbox, rectangular_size
from utils.loader.batch import Batch, as_tensor


@dataclass(frozen=True)
class EvaluationDataset(Dataset[Batch]):
    """Images for evaluation: letterboxed, nothing varied, nothing replaced. Keys are image numbers.

    An image that cannot be read is left blank, so whatever it shows counts as missed, and is named in
    `Batch.skipped`. See `DetectionDataset` for the fields that are not here.

    size    (height, width) of the input
    stride  if given, each batch is cut to the smallest multiple of it, along each side, that holds its
            images as they are scaled for `size`
    """

    index: DatasetIndex
    size: tuple[int, int]
    pad_value: int = PAD_VALUE
    pad_centred: bool = False
    stride: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, image: int) -> Batch:
        """The batch of the single image number `image`."""
        return self.__getitems__([image])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these images. PyTorch's loader calls this."""
        images = [self._read(number) for number in indices]
        size = self._size_for([image for image in images if image is not None])
        batch = np.empty((len(indices), *size, 3), np.uint8)
        plans, objects, skipped = [], [], []
        for number, image, out in zip(indices, images, batch, strict=True):
            if image is not None:
                plan = letterbox(image, size, self.pad_value, self.pad_centred, out)[1]
            else:
                skipped.append(str(self.index.path(number)))
                out.fill(self.pad_value)
                plan = self._blank(number, size)
            boxes, labels = training_objects(self.index, number)
            plans.append(plan)
            objects.append((plan.forward(boxes), labels))
        order = torch.tensor(indices, dtype=torch.int64)
        return Batch(as_tensor(batch), pad_targets(join_objects(objects), len(plans)), order, plans, skipped)

    def _read(self, number: int) -> np.ndarray | None:
        try:
            return read_image(self.index.path(number))
        except ImageError:
            return None

    def _size_for(self, images: Sequence[np.ndarray]) -> tuple[int, int]:
        if self.stride is None or not images:
            return self.size
        return rectangular_size([(p.shape[0], p.shape[1]) for p in images], self.size, self.stride)

    def _blank(self, number: int, size: tuple[int, int]) -> Letterbox:
        height, width = self.index.sizes[number].tolist()
        known = height > 0 and width > 0
        return plan_letterbox((height, width) if known else size, size, self.pad_centred)


def by_shape(index: DatasetIndex) -> list[int]:
    """The images from the widest to the highest, so that those of a batch are alike in shape."""
    return sorted(range(len(index)), key=lambda image: _height_to_width(index, image))


def _height_to_width(index: DatasetIndex, image: int) -> float:
    height, width = index.sizes[image].tolist()
    if min(height, width) == 0:
        try:
            height, width = header_size(index.path(image))
        except ValueError:  # it is named when it is its turn
            return 1.0
    return height / width
