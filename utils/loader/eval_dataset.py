"""The evaluation data set: letterboxed images without augmentation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.data.index import DatasetIndex
from utils.data.targets import join_objects, pad_targets, training_objects
from utils.data.types import Image, Size
from utils.images.headers import header_size
from utils.images.image_io import ImageError, read_image
from utils.images.letterbox import PAD_VALUE, Letterbox, letterbox, plan_letterbox, rectangular_size
from utils.images.types import size_of
from utils.loader.batch import Batch, as_tensor


@dataclass(frozen=True)
class EvalDataset(Dataset[Batch]):
    """A data set of letterboxed images without augmentation. Keys are image numbers.

    An unreadable image becomes a blank image, so that all its objects count as missed, and is listed in
    `Batch.skipped`. See `TrainDataset` for the other fields.

    size    input size
    stride  if given, batches are rectangular: cropped to the smallest multiples of the stride that contain
        the images scaled to fit `size`
    """

    index: DatasetIndex
    size: Size
    pad_value: int = PAD_VALUE
    pad_centred: bool = False
    stride: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, image_number: int) -> Batch:
        """Return the batch of a single image."""
        return self.batch([image_number])

    def __getitems__(self, image_numbers: Sequence[int]) -> Batch:
        """Return the batch of these images (called by PyTorch's data loader)."""
        return self.batch(image_numbers)

    def batch(self, image_numbers: Sequence[int]) -> Batch:
        """Return the batch of these images."""
        images = [self._read(number) for number in image_numbers]
        size = self._size_for([image for image in images if image is not None])
        canvases = np.empty((len(image_numbers), *size, 3), np.uint8)
        plans, objects, skipped = [], [], []
        for number, image, canvas in zip(image_numbers, images, canvases, strict=True):
            if image is not None:
                plan = letterbox(image, size, self.pad_value, self.pad_centred, canvas)[1]
            else:
                skipped.append(str(self.index.path(number)))
                canvas.fill(self.pad_value)
                plan = self._blank(number, size)
            boxes, labels = training_objects(self.index, number)
            plans.append(plan)
            objects.append((plan.forward(boxes), labels))
        targets = pad_targets(join_objects(objects), len(plans))
        numbers = torch.tensor(image_numbers, dtype=torch.int64)
        return Batch(as_tensor(canvases), targets, numbers, plans, skipped)

    def _read(self, number: int) -> Image | None:
        try:
            return read_image(self.index.path(number))
        except ImageError:
            return None

    def _size_for(self, images: Sequence[Image]) -> Size:
        if self.stride is None or not images:
            return self.size
        return rectangular_size([size_of(image) for image in images], self.size, self.stride)

    def _blank(self, number: int, size: Size) -> Letterbox:
        height, width = self.index.sizes[number].tolist()
        known = height > 0 and width > 0
        return plan_letterbox((height, width) if known else size, size, self.pad_centred)


def by_shape(index: DatasetIndex) -> list[int]:
    """Return the image numbers sorted by aspect ratio, wide images first, for batches of similar shapes."""
    return sorted(range(len(index)), key=lambda number: _height_to_width(index, number))


def _height_to_width(index: DatasetIndex, image_number: int) -> float:
    height, width = index.sizes[image_number].tolist()
    if min(height, width) == 0:
        try:
            height, width = header_size(index.path(image_number))
        except ValueError:  # reported when the image is loaded
            return 1.0
    return height / width
