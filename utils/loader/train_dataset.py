"""The data set of training, which makes whole batches: images varied, in one array, boxes beside them.

A batch is made at once rather than sample by sample: nothing is collated, and an image is decoded once
for all the mosaics of the batch that it appears in. Repeating images within a batch under different
augmentation does not harm, see "Augment your batch", https://arxiv.org/abs/1901.09335.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.augment.box_transform import Placed, placed_objects
from utils.augment.color_and_flip import ColorFlip, recolor_and_flip_
from utils.augment.paste_and_cutout import lay_over
from utils.augment.placement import PlannedImage, fill_around, paste, resolve
from utils.augment.sample_plan import Plan, blend, plan_sample
from utils.augment.settings import Augmentation
from utils.data.index import DatasetIndex
from utils.data.targets import Objects, mirror_objects, on_samples, pad_targets
from utils.data.types import Size
from utils.images.headers import jpeg_size
from utils.images.image_io import ImageError, decode_image, read_bytes
from utils.images.letterbox import PAD_VALUE
from utils.loader.batch import Batch, as_tensor
from utils.loader.image_cache import ImageCache

POOL = 16  # a mosaic's partners are drawn from at least this many images, if there are that many
ATTEMPTS = 32  # so many unreadable images in a row mean that something is wrong with all of them
REDUCTIONS = (8, 4, 2)  # of which JPEG images can be decoded at

Uses = list[tuple[int, PlannedImage]]  # for one image, the canvases that it goes on, and where


class SampleKey(NamedTuple):
    """What a training sample depends on beside the seed.

    epoch, image, size  which epoch and image, and (height, width) of the input
    pool                the images of its batch that its mosaic's partners are drawn from; by default those of
        the samples that it is made with, which with several processes are only a part of the batch
    """

    epoch: int
    image: int
    size: Size
    pool: tuple[int, ...] = ()


@dataclass(frozen=True)
class DetectionDataset(Dataset[Batch]):
    """Images for training, augmented: a batch depends on its keys and the seed alone.

    So batches are the same whatever the number of workers, and differ between epochs. An image that
    cannot be read is replaced by the next one and named in `Batch.skipped`. Crowds and objects flagged as
    difficult are no targets.

    index         the data set
    sizes         the sizes of the input, (height, width), that batches have
    augmentation  what is varied
    seed          0 or above
    pad_value     colour of what no image covers
    pad_centred   padding on all sides rather than right and below, where nothing shifts the image
    vary_later    leave colours and mirroring to the device, as `Batch.variation` says
    cache         decoded images, to be used and added to
    """

    index: DatasetIndex
    sizes: Sequence[Size]
    augmentation: Augmentation
    seed: int = 0
    pad_value: int = PAD_VALUE
    pad_centred: bool = False
    vary_later: bool = False
    cache: ImageCache | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: SampleKey) -> Batch:
        """The batch of a single sample."""
        return self.__getitems__([key])

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """The batch of these samples, all of one size. PyTorch's loader calls this."""
        size = keys[0].size
        plans = self._plans(keys)
        overlays = [sample for sample, plan in enumerate(plans) if len(plan.layers) == 2]
        images = np.empty((len(keys), *size, 3), np.uint8)
        canvases = [*images, *np.empty((len(overlays), *size, 3), np.uint8)]
        placed, replaced, skipped = self._paste_all(_uses(plans, overlays), canvases)
        for overlay, sample in enumerate(overlays, len(keys)):
            blend(canvases[sample], canvases[overlay])
        objects = on_samples(placed_objects(self.index, placed, self.augmentation), overlays, len(keys))
        objects = self._lay_over(images, objects, keys)
        variation = ColorFlip(
            torch.tensor([plan.flip for plan in plans]),
            torch.from_numpy(np.stack([plan.colour for plan in plans])),
        )
        if not self.vary_later:
            for image, plan in zip(images, plans, strict=True):
                recolor_and_flip_(image, plan.flip, plan.colour)
        targets = pad_targets(mirror_objects(objects, variation.flip.numpy(), size[1]), len(keys))
        indices = torch.tensor([replaced.get(key.image, key.image) for key in keys])
        return Batch(as_tensor(images), targets, indices, [], skipped, variation if self.vary_later else None)

    def _plans(self, keys: Sequence[SampleKey]) -> list[Plan]:
        together = tuple(key.image for key in keys)
        pools = {pool: self._widened(pool or together, keys[0].epoch) for pool in {key.pool for key in keys}}
        plans = []
        for epoch, image, size, pool in keys:
            rng = np.random.default_rng([self.seed, epoch, image + 1])
            others = [other for other in pools[pool] if other != image] or [image]
            plans.append(plan_sample(image, others, size, self.augmentation, rng, self.pad_centred))
        return plans

    def _widened(self, pool: tuple[int, ...], epoch: int) -> list[int]:
        """The pool, with other images where it is small."""
        if len(pool) >= POOL:
            return list(pool)
        rng = np.random.default_rng([self.seed, epoch, pool[0] + 1, 1])
        more = rng.choice(len(self), min(POOL, len(self)), replace=False).tolist()
        return list(dict.fromkeys([*pool, *more]))[:POOL]

    def _paste_all(
        self, uses: dict[int, Uses], canvases: list[np.ndarray]
    ) -> tuple[list[Placed], dict[int, int], list[str]]:
        """Read each image once and paste it wherever it is used; only one is in memory at a time."""
        size = (canvases[0].shape[0], canvases[0].shape[1])
        placed: list[Placed] = []
        replaced: dict[int, int] = {}
        skipped: list[str] = []
        for wanted, places in uses.items():
            image_number, reduction, image = self._read(wanted, skipped)
            if image_number != wanted:
                replaced[wanted] = image_number
            for canvas, tile in places:
                placement = resolve(tile, (image.shape[0], image.shape[1]), size)
                area = placement.area if placement else None
                fill_around(canvases[canvas], tile.bounds, area, self.pad_value)
                if placement is not None:
                    paste(image, placement, canvases[canvas], self.pad_value)
                    placed.append(Placed(canvas, image_number, reduction, placement))
        return placed, replaced, skipped

    def _read(self, wanted: int, skipped: list[str]) -> tuple[int, int, np.ndarray]:
        """The image or the next that can be read: its number, its reduction, and its pixels.

        What failed is added to `skipped`.
        """
        for attempt in range(min(ATTEMPTS, len(self))):
            image = (wanted + attempt) % len(self)
            try:
                return image, *self._decode(image)
            except ImageError as error:
                skipped.append(str(self.index.path(image)))
                last = error
        raise ImageError(f"{min(ATTEMPTS, len(self))} images in a row could not be read, the last: {last}")

    def _decode(self, image_number: int) -> tuple[int, np.ndarray]:
        kept = self.cache.get(image_number) if self.cache else None
        if kept is not None:
            return kept
        path = self.index.path(image_number)
        data = read_bytes(path)
        reduction = self.reduction(jpeg_size(data))
        image = decode_image(data, str(path), reduction)
        if self.cache:
            self.cache.put(image_number, reduction, image)
        return reduction, image

    def reduction(self, source: Size | None) -> int:
        """How far a JPEG image of this size is reduced in decoding: never so far that it is enlarged after.

        By the largest zoom that can be drawn, so that an image can be kept for all its uses.
        """
        return reduction_for(source, max(self.sizes), self.augmentation.scale[1])

    def _lay_over(self, images: np.ndarray, objects: Objects, keys: Sequence[SampleKey]) -> Objects:
        settings = self.augmentation
        if settings.copy_paste == 0 and settings.cut_out == 0:
            return objects
        generators = [np.random.default_rng([self.seed, key.epoch, key.image + 1, 2]) for key in keys]
        return lay_over(images, objects, settings, generators, self.pad_value)


def reduction_for(source: Size | None, size: Size, zoom: float) -> int:
    """How far a JPEG image of size `source` may be reduced in decoding without being enlarged after.

    zoom  on top of fitting it to an input of `size`

    1 where the size is not known, as of other formats.
    """
    if source is None:
        return 1
    # Turned too: what is stored may be turned as its EXIF says when it is decoded.
    fit = max(min(size[0] / height, size[1] / width) for height, width in (source, source[::-1]))
    return next((reduction for reduction in REDUCTIONS if reduction * fit * zoom <= 1), 1)


def _uses(plans: Sequence[Plan], overlays: Sequence[int]) -> dict[int, Uses]:
    """Image number -> canvases and tiles it is wanted for; overlays' canvases come after the samples'."""
    layers = [plan.layers[0] for plan in plans] + [plans[sample].layers[1] for sample in overlays]
    uses: dict[int, Uses] = defaultdict(list)
    for canvas, layer in enumerate(layers):
        for image, tile in layer:
            uses[image].append((canvas, tile))
    return uses
