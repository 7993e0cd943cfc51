"""Histograms of box sizes, aspect ratios, boxes per image and image sizes, with the splits side by side."""

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from utils.data.boxes import box_area
from utils.data.types import Size
from utils.doctor.box_rules import box_owners, box_sides, training_sides, true_sizes
from utils.doctor.splits import Split

PIXELS = (8, 16, 32, 64, 96, 128, 256, 512)
SHARES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
ASPECTS = (0.2, 0.33, 0.5, 0.8, 1.25, 2, 3, 5)
NUMBERS = (1, 2, 3, 5, 10, 20, 50, 100)
MAX_SIZES_SHOWN = 8  # maximum number of image sizes shown; all others share one bin


class Histogram(NamedTuple):
    """A histogram per split.

    title   title of the plot
    bins    names of the B bins
    shares  float64 [S, B], fraction of the values of each split in each bin; 0 for a split without values
    """

    title: str
    bins: Sequence[str]
    shares: np.ndarray


def histograms(splits: Sequence[Split], image_size: Size) -> list[Histogram]:
    """Return all histograms of the page; `image_size` is the training size (height, width)."""
    height, width = image_size
    pixels = [training_sides(split, image_size) for split in splits]
    relative = [_relative_sides(split) for split in splits]
    aspects = [_aspects(split) for split in splits]
    numbers = [np.diff(split.index.box_offsets).astype(float) for split in splits]
    return [
        binned(f"Box size in pixels at the training size {height} x {width}", pixels, PIXELS),
        binned("Box size relative to the image size", relative, SHARES, percent=True),
        binned("Aspect ratio of boxes (width / height)", aspects, ASPECTS),
        binned("Boxes per image", numbers, NUMBERS, whole=True),
        image_size_histogram(splits),
    ]


def binned(
    title: str,
    values: Sequence[np.ndarray],
    edges: Sequence[float],
    *,
    percent: bool = False,
    whole: bool = False,
) -> Histogram:
    """Return the histogram of the values of each split, with open first and last bins; NaN is in no bin.

    percent  name the bins in percent
    whole    name the bins by whole numbers, for integer values
    """
    counts = np.stack([_counts(part[~np.isnan(part)], edges) for part in values])
    total = np.maximum(counts.sum(axis=1, keepdims=True), 1)
    return Histogram(title, _bin_names(edges, percent, whole), counts / total)


def image_size_histogram(splits: Sequence[Split]) -> Histogram:
    """Return the histogram of the most frequent image sizes, width x height."""
    counts = [Counter(facts.size for facts in split.facts if not facts.error) for split in splits]
    together = sum(counts, Counter[Size]())
    listed = [size for size, _ in together.most_common(MAX_SIZES_SHOWN)]
    rows = [
        [part[size] for size in listed] + [part.total() - sum(part[s] for s in listed)] for part in counts
    ]
    shares = np.array(rows, float) / np.maximum([[part.total()] for part in counts], 1)
    names = [f"{width} x {height}" for height, width in listed]
    if len(together) > MAX_SIZES_SHOWN:
        return Histogram("Image sizes", [*names, f"{len(together) - MAX_SIZES_SHOWN} others"], shares)
    return Histogram("Image sizes", names, shares[:, :-1])


def _counts(values: np.ndarray, edges: Sequence[float]) -> np.ndarray:
    return np.bincount(np.searchsorted(edges, values, side="right"), minlength=len(edges) + 1)


def _bin_names(edges: Sequence[float], percent: bool, whole: bool) -> list[str]:
    texts = [f"{100 * edge:g} %" if percent else f"{edge:g}" for edge in edges]
    between = [
        (low if high - low == 1 else f"{low:g} to {high - 1:g}")
        if whole
        else f"{low_text.removesuffix(' %')} to {high_text}"
        for low, high, low_text, high_text in zip(edges, edges[1:], texts, texts[1:], strict=False)
    ]
    below = "none" if whole else f"below {texts[0]}"
    return [below, *map(str, between), f"{texts[-1]} and more"]


def _relative_sides(split: Split) -> np.ndarray:
    """Return the square root of box area / image area, for each box."""
    areas = true_sizes(split).prod(axis=1)[box_owners(split.index)]
    return np.sqrt(box_area(split.index.boxes) / areas)


def _aspects(split: Split) -> np.ndarray:
    width, height = box_sides(split.index).T
    return width / height
