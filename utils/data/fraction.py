"""A fraction of the images of a data set, by a fixed choice."""

import numpy as np

from utils.data.index import DatasetIndex, select_images


def fraction_of(index: DatasetIndex, fraction: float) -> DatasetIndex:
    """Return the index with only a fraction (0 to 1) of its images, at least one, in their order.

    The same images every time, and those of a smaller fraction are among those of a larger one.
    """
    number = max(1, round(fraction * len(index)))
    keep = np.zeros(len(index), bool)
    keep[np.random.default_rng(0).permutation(len(index))[:number]] = True
    return index if keep.all() else select_images(index, keep)
