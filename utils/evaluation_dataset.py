"""The data set of evaluation: pictures letterboxed, nothing varied, nothing replaced."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.batch import Batch, as_tensor
from utils.image import ImageError, read_image
from utils.index import DatasetIndex
from utils.letterbox import PAD_VALUE, Letterbox, letterbox, plan_letterbox
from utils.objects import joined, pad_targets, training_objects


@dataclass(frozen=True)
class EvaluationDataset(Dataset[Batch]):
    """Pictures for evaluation: letterboxed, nothing varied, nothing replaced. Keys are image numbers.

    A picture that cannot be read is left blank, so whatever it shows counts as missed, and is named in
    `Batch.skipped`. `size` is (height, width) of the input; see `DetectionDataset` for the other fields.
    """

    index: DatasetIndex
    size: tuple[int, int]
    pad_value: int = PAD_VALUE
    pad_centred: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, image: int) -> Batch:
        """The batch of the single picture number `image`."""
        return self.__getitems__([image])

    def __getitems__(self, indices: Sequence[int]) -> Batch:
        """The batch of these pictures. PyTorch's loader calls this."""
        images = np.empty((len(indices), *self.size, 3), np.uint8)
        plans, objects, skipped = [], [], []
        for number, out in zip(indices, images, strict=True):
            try:
                picture = read_image(self.index.path(number))
                plan = letterbox(picture, self.size, self.pad_value, self.pad_centred, out)[1]
            except ImageError:
                skipped.append(str(self.index.path(number)))
                out.fill(self.pad_value)
                plan = self._blank(number)
            boxes, labels = training_objects(self.index, number)
            plans.append(plan)
            objects.append((plan.forward(boxes), labels))
        order = torch.tensor(indices, dtype=torch.int64)
        return Batch(as_tensor(images), pad_targets(joined(objects), len(plans)), order, plans, skipped)

    def _blank(self, number: int) -> Letterbox:
        height, width = self.index.sizes[number].tolist()
        known = height > 0 and width > 0
        return plan_letterbox((height, width) if known else self.size, self.size, self.pad_centred)
