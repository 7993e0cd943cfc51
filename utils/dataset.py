"""Data sets that make whole batches: pictures read, varied and written into one array, boxes beside them.

A batch is made at once rather than sample by sample: nothing is collated, and a picture is decoded once
for all the mosaics of the batch that it appears in. Repeating pictures within a batch under different
augmentation does not harm, see "Augment your batch", https://arxiv.org/abs/1901.09335.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset

from nets.structures import Targets
from utils.augment import Augmentation, Tile, paste, place, visible_boxes
from utils.image import ImageError, read_image
from utils.index import DatasetIndex
from utils.letterbox import PAD_VALUE, Letterbox, letterbox, plan_letterbox
from utils.mosaic import Layer, blend, plan_sample

POOL = 16  # a mosaic's partners are drawn from at least this many pictures, if there are that many
ATTEMPTS = 32  # so many unreadable pictures in a row mean that something is wrong with all of them

Objects = tuple[np.ndarray, np.ndarray]  # boxes [N, 4] and labels [N]


class Batch(NamedTuple):
    """What a loader yields.

    images       uint8 [B, 3, H, W], RGB, channels last in memory
    targets      the objects to be found, in pixels of the input
    indices      int64 [B], which image of the data set each sample is
    letterboxes  where each picture lies on the input; empty where augmented
    skipped      files that could not be read
    """

    images: Tensor
    targets: Targets
    indices: Tensor
    letterboxes: list[Letterbox]
    skipped: list[str]


@dataclass(frozen=True)
class DetectionDataset(Dataset[Batch]):
    """Pictures for training, augmented. Keys are (epoch, image): a batch depends on them and the seed alone.

    So batches are the same whatever the number of workers, and differ between epochs. A picture that
    cannot be read is replaced by the next one and named in `Batch.skipped`. Crowds and objects flagged as
    difficult are no targets.

    index         the data set
    size          (height, width) of the input
    augmentation  what is varied
    seed          0 or above
    pad_value     colour of what no picture covers
    pad_centred   padding on all sides rather than right and below, where nothing shifts the picture
    """

    index: DatasetIndex
    size: tuple[int, int]
    augmentation: Augmentation
    seed: int = 0
    pad_value: int = PAD_VALUE
    pad_centred: bool = False

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: tuple[int, int]) -> Batch:
        """The batch of the single sample `key`, (epoch, image)."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[tuple[int, int]]) -> Batch:
        """The batch of the samples `keys`, each (epoch, image). PyTorch's loader calls this."""
        plans = self._plans(keys)
        overlays = [sample for sample, layers in enumerate(plans) if len(layers) == 2]
        images = np.full((len(keys), *self.size, 3), self.pad_value, np.uint8)
        canvases = [*images, *np.full((len(overlays), *self.size, 3), self.pad_value, np.uint8)]
        found, replaced, skipped = self._paste_all(_uses(plans, overlays), canvases)
        for overlay, sample in enumerate(overlays, len(keys)):
            blend(canvases[sample], canvases[overlay])
            found[sample] += found[overlay]
        targets = pad_targets([_joined(found[sample]) for sample in range(len(keys))])
        indices = torch.tensor([replaced.get(image, image) for _, image in keys])
        return Batch(_as_tensor(images), targets, indices, [], skipped)

    def _plans(self, keys: Sequence[tuple[int, int]]) -> list[list[Layer]]:
        pool = [image for _, image in keys]
        if len(pool) < POOL:
            rng = np.random.default_rng([self.seed, keys[0][0], pool[0] + 1, 1])
            more = rng.choice(len(self), min(POOL, len(self)), replace=False).tolist()
            pool = list(dict.fromkeys(pool + more))[:POOL]
        plans = []
        for epoch, image in keys:
            rng = np.random.default_rng([self.seed, epoch, image + 1])
            others = [other for other in pool if other != image] or [image]
            plans.append(plan_sample(image, others, self.size, self.augmentation, rng, self.pad_centred))
        return plans

    def _paste_all(
        self, uses: dict[int, list[tuple[int, Tile]]], canvases: list[np.ndarray]
    ) -> tuple[list[list[Objects]], dict[int, int], list[str]]:
        """Read each picture once and paste it wherever it is used; only one is in memory at a time."""
        found: list[list[Objects]] = [[] for _ in canvases]
        replaced: dict[int, int] = {}
        skipped: list[str] = []
        for wanted, places in uses.items():
            picture, image = self._read(wanted, skipped)
            if picture != wanted:
                replaced[wanted] = picture
            boxes, labels = training_objects(self.index, picture)
            for canvas, tile in places:
                placement = place(tile, (image.shape[0], image.shape[1]), self.size)
                if placement is None:
                    continue
                paste(image, placement, canvases[canvas], tile.colour)
                clipped, seen = visible_boxes(placement.forward(boxes), placement.area, self.augmentation)
                found[canvas].append((clipped[seen], labels[seen]))
        return found, replaced, skipped

    def _read(self, wanted: int, skipped: list[str]) -> tuple[int, np.ndarray]:
        """The picture, or the next that can be read, and its number. What failed is added to `skipped`."""
        for attempt in range(min(ATTEMPTS, len(self))):
            picture = (wanted + attempt) % len(self)
            try:
                return picture, read_image(self.index.path(picture))
            except ImageError as error:
                skipped.append(str(self.index.path(picture)))
                last = error
        raise ImageError(f"{min(ATTEMPTS, len(self))} pictures in a row could not be read, the last: {last}")


@dataclass(frozen=True)
class EvaluationDataset(Dataset[Batch]):
    """Pictures for evaluation: letterboxed, nothing varied, nothing replaced. Keys are image numbers.

    A picture that cannot be read is left blank, so whatever it shows counts as missed, and is named in
    `Batch.skipped`. See `DetectionDataset` for the fields.
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
        return Batch(_as_tensor(images), pad_targets(objects), order, plans, skipped)

    def _blank(self, number: int) -> Letterbox:
        height, width = self.index.sizes[number].tolist()
        known = height > 0 and width > 0
        return plan_letterbox((height, width) if known else self.size, self.size, self.pad_centred)


def training_objects(index: DatasetIndex, image: int) -> Objects:
    """Boxes [N, 4] in original pixels and labels [N] of an image, without crowds and difficult objects."""
    span = index.span(image)
    kept = ~(index.crowd[span] | index.difficult[span])
    return index.boxes[span][kept], index.labels[span][kept]


def pad_targets(objects: Sequence[Objects]) -> Targets:
    """Gather the boxes and labels of each image into one padded array.

    The length is a multiple of 8, so that it changes rarely: a compiled step is compiled anew for a new one.
    """
    longest = max([len(labels) for _, labels in objects], default=0)
    length = max(8, -(-longest // 8) * 8)
    boxes = np.zeros((len(objects), length, 4), np.float32)
    labels = np.zeros((len(objects), length), np.int64)
    valid = np.zeros((len(objects), length), np.bool_)
    for row, (image_boxes, image_labels) in enumerate(objects):
        number = len(image_labels)
        boxes[row, :number], labels[row, :number], valid[row, :number] = image_boxes, image_labels, True
    return Targets(torch.from_numpy(boxes), torch.from_numpy(labels), torch.from_numpy(valid))


def _as_tensor(images: np.ndarray) -> Tensor:
    """uint8 [B, H, W, 3] -> [B, 3, H, W] without a copy. NumPy made it, whose large arrays use huge pages."""
    return torch.from_numpy(images).permute(0, 3, 1, 2)


def _uses(plans: Sequence[Sequence[Layer]], overlays: Sequence[int]) -> dict[int, list[tuple[int, Tile]]]:
    """Picture number -> canvases and tiles it is wanted for; overlays' canvases come after the samples'."""
    layers = [layers[0] for layers in plans] + [plans[sample][1] for sample in overlays]
    uses: dict[int, list[tuple[int, Tile]]] = defaultdict(list)
    for canvas, layer in enumerate(layers):
        for picture, tile in layer:
            uses[picture].append((canvas, tile))
    return uses


def _joined(parts: Sequence[Objects]) -> Objects:
    if not parts:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.int64)
    return np.concatenate([boxes for boxes, _ in parts]), np.concatenate([labels for _, labels in parts])
