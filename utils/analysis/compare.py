"""Whether one result is better than another, or only luckier with these images.

A paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): both results are measured
on the same resamples of the images, so what is hard or easy for both does not hide their difference.
"""

from typing import NamedTuple

import numpy as np

from utils.analysis.bootstrap import Interval, draw_weights, interval, resampled_figures
from utils.evaluate.ground_truth import GroundTruth
from utils.evaluate.matching import Matched

FIGURES = {"map": "mAP50-95", "map50": "mAP50", "map75": "mAP75", "voc_area": "VOC mAP"}


class Comparison(NamedTuple):
    """One figure of two results.

    figure      a key of FIGURES
    first, second  the figure of each
    difference  second less first, with the interval of 95 of 100 resamples
    images      how many images both were measured on
    """

    figure: str
    first: float
    second: float
    difference: Interval
    images: int

    def sentence(self, names: tuple[str, str] = ("the first", "the second")) -> str:
        """What can be said of the two, called by these names."""
        value, low, high = self.difference
        figure = FIGURES[self.figure]
        if np.isnan([value, low, high]).any():
            return f"{figure} is not defined on these images"
        better, worse = (names[1], names[0]) if value >= 0 else (names[0], names[1])
        low, high = (low, high) if value >= 0 else (-high, -low)
        by = f"by {abs(value):.4f} {figure} (95 % interval {low:.4f} to {high:.4f}, {self.images} images)"
        if low > 0:
            return f"{better} is better than {worse} {by}"
        if value == low == high == 0:
            return f"{names[0]} and {names[1]} have the same {figure} ({self.images} images)"
        return f"{better} is ahead of {worse} {by}: that may be chance"


def compare(first: Matched, second: Matched, resamples: int = 1000, seed: int = 0) -> list[Comparison]:
    """Compare two results on the same images, one comparison for each of FIGURES.

    ValueError if they were not measured against the same ground truth.
    """
    images = first.truth.num_images
    if not _same_truth(first.truth, second.truth):
        raise ValueError("two results can be compared only on the same images and objects")
    once = np.ones((images, 1), np.uint8)
    values = [resampled_figures(matched, once) for matched in (first, second)]
    weights = draw_weights(images, resamples, seed)
    drawn = [resampled_figures(matched, weights) for matched in (first, second)]
    comparisons = []
    for figure in FIGURES:
        before, after = (float(result[figure][0]) for result in values)
        difference = interval(after - before, drawn[1][figure] - drawn[0][figure])
        comparisons.append(Comparison(figure, before, after, difference, images))
    return comparisons


def _same_truth(one: GroundTruth, other: GroundTruth) -> bool:
    """Whether images, objects and classes are the same, in the same order."""
    if (one.class_names, one.num_images) != (other.class_names, other.num_images):
        return False
    columns = ("image", "labels", "boxes", "difficult", "crowd")
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in columns)
