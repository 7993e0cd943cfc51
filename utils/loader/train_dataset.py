"""The training data set, which returns whole batches of augmented images.

A batch is made at once rather than sample by sample: nothing is collated, and an image is decoded once for
all mosaics in the batch. Using an image several times in a batch, with different augmentation, does no harm:
see "Augment your batch", https://arxiv.org/abs/1901.09335.
"""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch.utils.data import Dataset

from utils.augment.box_transform import PlacedImage, placed_objects
from utils.augment.color_and_flip import ColorFlip, recolor_and_flip_
from utils.augment.degrade import degrade
from utils.augment.paste_and_cutout import paste_and_cut_out
from utils.augment.placement import Uses, paste_uses
from utils.augment.sample_plan import Plan, blend, plan_sample
from utils.augment.settings import Augmentation
from utils.augment.user_augmentation import UserAugmentation
from utils.data.index import DatasetIndex
from utils.data.targets import Objects, mirror_objects, on_samples, pad_targets
from utils.data.types import Image, Size
from utils.images.image_io import ImageError, read_reduced, reduction_for
from utils.images.letterbox import PAD_VALUE
from utils.loader.balance import repeat_factors
from utils.loader.batch import Batch, as_tensor
from utils.loader.image_cache import ImageCache

MIN_POOL_SIZE = 16  # images to sample a mosaic's other images from, unless the data set is smaller
MAX_UNREADABLE = 32  # consecutive unreadable images; more mean that something else is wrong


class SampleKey(NamedTuple):
    """The key of a training sample: with the seed, it determines the sample.

    epoch         training epoch
    image_number  index of the image in the data set
    size          input size
    pool          numbers of the images to sample the mosaic's other images from; default: the images of the
        same batch, which with several processes are only a part of the global batch
    repeat        how often the image occurred before in the epoch; each time it is augmented differently
    """

    epoch: int
    image_number: int
    size: Size
    pool: tuple[int, ...] = ()
    repeat: int = 0


@dataclass(frozen=True)
class TrainDataset(Dataset[Batch]):
    """A data set of augmented training images; a batch depends only on its keys and the seed.

    So batches are the same for any number of workers, and differ between epochs. An unreadable image is
    replaced by the next image and listed in `Batch.skipped`. Crowds and objects flagged as difficult are not
    used as targets.

    index                 data set index
    sizes                 input sizes that batches may have
    augmentation          settings of data augmentation
    seed                  random seed, 0 or above
    pad_value             grey value of the padding
    pad_centred           whether unshifted images are padded on all sides, rather than right and bottom
    color_flip_on_device  whether the device applies colour changes and flips, see `Batch.color_flip`
    cache                 cache of decoded images
    user_augmentation     the user's own augmentation, run last; the device then has nothing to apply
    balance               threshold of repeat-factor sampling, see utils/loader/balance.py; 0: off
    epoch_images          images in an epoch, a random part of all; None: all
    """

    index: DatasetIndex
    sizes: Sequence[Size]
    augmentation: Augmentation
    seed: int = 0
    pad_value: int = PAD_VALUE
    pad_centred: bool = False
    color_flip_on_device: bool = False
    cache: ImageCache | None = None
    user_augmentation: UserAugmentation | None = None
    balance: float = 0.0
    epoch_images: int | None = None

    def __len__(self) -> int:
        return len(self.index)

    def __getitem__(self, key: SampleKey) -> Batch:
        """Return the batch of a single sample."""
        return self.batch([key])

    def __getitems__(self, keys: Sequence[SampleKey]) -> Batch:
        """Return the batch of these samples (called by PyTorch's data loader)."""
        return self.batch(keys)

    @cached_property
    def repeat_factors(self) -> np.ndarray | None:
        """The repeat factor of each image, float64 [N]; None if no image is repeated."""
        return repeat_factors(self.index, self.balance)

    def batch(self, keys: Sequence[SampleKey]) -> Batch:
        """Return the batch of these samples, which must have the same input size."""
        size = keys[0].size
        plans = self._plans(keys)
        overlays = [sample for sample, plan in enumerate(plans) if len(plan.layers) == 2]
        images = np.empty((len(keys), *size, 3), np.uint8)
        canvases = [*images, *np.empty((len(overlays), *size, 3), np.uint8)]
        placed, replaced, skipped = self._paste_all(_uses(plans, overlays), canvases)
        for overlay, sample in enumerate(overlays, len(keys)):
            blend(canvases[sample], canvases[overlay])
        objects = on_samples(placed_objects(self.index, placed, self.augmentation), overlays, len(keys))
        objects = self._paste_and_cut_out(images, objects, keys)
        self._degrade(images, keys)
        flips, colours = [plan.flip for plan in plans], [plan.colour for plan in plans]
        color_flip = ColorFlip(torch.tensor(flips), torch.from_numpy(np.stack(colours)))
        on_device = self.color_flip_on_device and self.user_augmentation is None
        if not on_device:
            recolor_and_flip_(images, flips, colours)
        objects = mirror_objects(objects, color_flip.flip.numpy(), size[1])
        targets = pad_targets(self._apply_user_augmentation(images, objects, keys), len(keys))
        image_numbers = torch.tensor([replaced.get(key.image_number, key.image_number) for key in keys])
        return Batch(
            as_tensor(images), targets, image_numbers, [], skipped, color_flip if on_device else None
        )

    def _plans(self, keys: Sequence[SampleKey]) -> list[Plan]:
        numbers = tuple(key.image_number for key in keys)
        pools = {pool: self._widened(pool or numbers, keys[0].epoch) for pool in {key.pool for key in keys}}
        plans = []
        for key in keys:
            number, rng = key.image_number, self._generator(key)
            others = [other for other in pools[key.pool] if other != number] or [number]
            plans.append(plan_sample(number, others, key.size, self.augmentation, rng, self.pad_centred))
        return plans

    def _generator(self, key: SampleKey, purpose: int = 0) -> np.random.Generator:
        """Return the random generator of a sample for a purpose: 0 plan, 2 objects, 3 pixels, 4 user."""
        entropy = [self.seed, key.epoch, key.image_number + 1, purpose]
        if key.repeat:
            return np.random.default_rng([*entropy, key.repeat])
        return np.random.default_rng(entropy if purpose else entropy[:3])

    def _widened(self, pool: tuple[int, ...], epoch: int) -> list[int]:
        """Return the pool, with other images added if it is small."""
        if len(pool) >= MIN_POOL_SIZE:
            return list(pool)
        rng = np.random.default_rng([self.seed, epoch, pool[0] + 1, 1])
        factors = self.repeat_factors
        weights = None if factors is None else factors / factors.sum()
        more = rng.choice(len(self), min(MIN_POOL_SIZE, len(self)), replace=False, p=weights).tolist()
        return [*pool, *(number for number in more if number not in pool)][:MIN_POOL_SIZE]

    def _paste_all(
        self, uses: dict[int, Uses], canvases: list[Image]
    ) -> tuple[list[PlacedImage], dict[int, int], list[str]]:
        """Read each image once and paste it on all its canvases, with one image in memory at a time.

        Return the placed images, a map from numbers of unreadable images to their replacements, and the files
        that could not be read.
        """
        placed: list[PlacedImage] = []
        replaced: dict[int, int] = {}
        skipped: list[str] = []
        images = len(self)
        for requested, planned_uses in uses.items():
            image_number, reduction, image = self._read(requested, images, skipped)
            if image_number != requested:
                replaced[requested] = image_number
            for canvas, placement in paste_uses(image, planned_uses, canvases, self.pad_value):
                placed.append(PlacedImage(canvas, image_number, reduction, placement))
        return placed, replaced, skipped

    def _read(self, requested: int, images: int, skipped: list[str]) -> tuple[int, int, Image]:
        """Read an image, or else the next readable one of all; return its number, reduction and pixels.

        Append files that cannot be read to `skipped`.
        """
        attempts = min(MAX_UNREADABLE, images)
        for attempt in range(attempts):
            image_number = (requested + attempt) % images
            try:
                return image_number, *self._decode(image_number)
            except ImageError as error:
                skipped.append(str(self.index.path(image_number)))
                last = error
        raise ImageError(f"{attempts} images in a row could not be read, the last: {last}")

    def _decode(self, image_number: int) -> tuple[int, Image]:
        cached = self.cache.get(image_number) if self.cache else None
        if cached is not None:
            return cached
        # The largest size and zoom, so that a cached image suits all uses.
        zoom = self.augmentation.scale[1]
        reduction, image = read_reduced(self.index.path(image_number), self._largest_size, zoom)
        if self.cache:
            self.cache.put(image_number, reduction, image)
        return reduction, image

    def reduction(self, source: Size) -> int:
        """Return the factor by which decoding shrinks a JPEG of size `source` as stored, see `_decode`."""
        return reduction_for(source, self._largest_size, self.augmentation.scale[1])

    @property
    def _largest_size(self) -> Size:
        """The largest input size; if images are turned, in the direction in which they are larger."""
        height, width = max(self.sizes)
        return (max(height, width),) * 2 if self.augmentation.quarter_turn else (height, width)

    def _paste_and_cut_out(self, images: np.ndarray, objects: Objects, keys: Sequence[SampleKey]) -> Objects:
        settings = self.augmentation
        if settings.copy_paste == 0 and settings.cut_out == 0:
            return objects
        generators = [self._generator(key, 2) for key in keys]
        return paste_and_cut_out(images, objects, settings, generators, self.pad_value)

    def _degrade(self, images: np.ndarray, keys: Sequence[SampleKey]) -> None:
        settings = self.augmentation
        if settings.blur or settings.noise or settings.jpeg:
            degrade(images, settings, [self._generator(key, 3) for key in keys])

    def _apply_user_augmentation(
        self, images: np.ndarray, objects: Objects, keys: Sequence[SampleKey]
    ) -> Objects:
        if self.user_augmentation is None:
            return objects
        generators = [self._generator(key, 4) for key in keys]
        names = [self.index.path(key.image_number) for key in keys]
        classes = len(self.index.class_names)
        return self.user_augmentation.apply(images, objects, self.augmentation, generators, names, classes)


def _uses(plans: Sequence[Plan], overlays: Sequence[int]) -> dict[int, Uses]:
    """Return the uses of each image by number; overlay canvases come after the samples' canvases."""
    layers = [plan.layers[0] for plan in plans] + [plans[sample].layers[1] for sample in overlays]
    uses: dict[int, Uses] = defaultdict(list)
    for canvas, layer in enumerate(layers):
        for image_number, planned in layer:
            uses[image_number].append((canvas, planned))
    return uses
