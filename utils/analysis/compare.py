"""Compare two results: whether one is better than the other, or the difference may be chance.

A paired bootstrap (Efron and Tibshirani, "An Introduction to the Bootstrap", 1993): both results are
evaluated on the same resamples of the images, so that images that are easy or hard for both do not hide the
difference.
"""

from typing import NamedTuple

import numpy as np

from utils.analysis.bootstrap import Interval, draw_weights, interval, resampled_metrics
from utils.evaluate.ground_truth import GroundTruth
from utils.evaluate.matching import Matched

COMPARED_METRICS = {"map": "mAP50-95", "map50": "mAP50", "map75": "mAP75", "voc_area": "VOC mAP"}


class Comparison(NamedTuple):
    """One metric of two results.

    metric         a key of COMPARED_METRICS
    first, second  value of the metric for each result
    difference     second minus first, with 95 % confidence interval
    num_images     number of images that both were evaluated on
    """

    metric: str
    first: float
    second: float
    difference: Interval
    num_images: int

    def sentence(self, names: tuple[str, str] = ("the first", "the second")) -> str:
        """Return which result is better, as a sentence; `names` are the names of the results."""
        value, low, high = self.difference
        metric = COMPARED_METRICS[self.metric]
        if np.isnan([value, low, high]).any():
            return f"{metric} is not defined on these images"
        better, worse = (names[1], names[0]) if value >= 0 else (names[0], names[1])
        low, high = (low, high) if value >= 0 else (-high, -low)
        by = f"by {abs(value):.4f} {metric} (95 % interval {low:.4f} to {high:.4f}, {self.num_images} images)"
        if low > 0:
            return f"{better} is better than {worse} {by}"
        if value == low == high == 0:
            return f"{names[0]} and {names[1]} have the same {metric} ({self.num_images} images)"
        return f"{better} is ahead of {worse} {by}: this may be chance"


def compare(first: Matched, second: Matched, resamples: int = 1000, seed: int = 0) -> list[Comparison]:
    """Compare two results on the same images, by each of COMPARED_METRICS.

    ValueError if they were not evaluated against the same ground truth.
    """
    num_images = first.ground_truth.num_images
    if not _same_ground_truth(first.ground_truth, second.ground_truth):
        raise ValueError("two results can be compared only on the same images and objects")
    once = np.ones((num_images, 1), np.uint8)
    values = [resampled_metrics(matched, once) for matched in (first, second)]
    weights = draw_weights(num_images, resamples, seed)
    resampled = [resampled_metrics(matched, weights) for matched in (first, second)]
    comparisons = []
    for metric in COMPARED_METRICS:
        before, after = (float(result[metric][0]) for result in values)
        difference = interval(after - before, resampled[1][metric] - resampled[0][metric])
        comparisons.append(Comparison(metric, before, after, difference, num_images))
    return comparisons


def _same_ground_truth(one: GroundTruth, other: GroundTruth) -> bool:
    """Return whether images, objects and classes are equal, in the same order."""
    if (one.class_names, one.num_images) != (other.class_names, other.num_images):
        return False
    pairs = (
        (one.image_numbers, other.image_numbers),
        (one.labels, other.labels),
        (one.boxes, other.boxes),
        (one.difficult, other.difficult),
        (one.crowd, other.crowd),
    )
    return all(np.array_equal(*pair) for pair in pairs)
